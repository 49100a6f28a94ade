"""`millrace data DEVICE`: a device's metrics over any range; asks the API of this stack."""

import json
from collections.abc import Sequence
from math import ceil
from typing import Annotated, Any
from urllib.parse import quote

import typer

from api.asking import ask
from millrace.output import Column, left, print_lines, print_table, right
from millrace.phrases import counted, figure_text

app = typer.Typer()
_BARS = "▁▂▃▄▅▆▇█"
_WIDTH = 60
_COLUMNS = (*left("metric"), *right("points", "min", "max", "last"), Column("curve", ornament=True))
_TABLES = ("csv", "json")


@app.command()
def data(
    device: Annotated[str, typer.Argument(help="Device.")],
    metric: Annotated[list[str] | None, typer.Option(help="Repeatable; default: all.")] = None,
    from_: Annotated[str, typer.Option("--from", help="-1h, -7d, RFC 3339, epoch ms.")] = "-1h",
    to: Annotated[str, typer.Option(help="Same forms, and `now`.")] = "now",
    resolution: Annotated[str, typer.Option(help="auto, raw, 10s, 1m, 1h, 1d, ...")] = "auto",
    downsample: Annotated[str, typer.Option(help="minmax, avg or lttb.")] = "minmax",
    as_of: Annotated[str | None, typer.Option(help="A time, or a snapshot id of an answer.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Points of a metric on a page.")] = None,
    cursor: Annotated[str | None, typer.Option(help="`next_cursor` of an earlier answer.")] = None,
    tenant: Annotated[str | None, typer.Option(help="Default: the tenant this stack is set to.")] = None,
    form: Annotated[str | None, typer.Option("--format", help="Print csv or json instead.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show a device's metrics over a range, from Redis and the lake."""
    if form not in {None, *_TABLES}:
        raise typer.BadParameter("csv or json", param_hint="--format")
    asked = {
        "metric": metric or None,
        "from": from_,
        "to": to,
        "resolution": resolution,
        "downsample": downsample,
        "as_of": as_of,
        "limit": limit,
        "cursor": cursor,
        "tenant": tenant,
        "format": "csv" if form == "csv" else "json",
    }
    found = ask("GET", f"/data/{quote(device, safe='')}", asked)
    if form == "csv":
        typer.echo(found, nl=False)
    elif as_json or form == "json":
        typer.echo(json.dumps(found))
    else:
        show(found)


def show(found: Any) -> None:
    """Print a line with a curve for each metric, and where the points come from."""
    title = f"{found['device_id']}  {found['from']} to {found['to']}, points of {found['resolution']}"
    rows = ((metric, *_cells(points)) for metric, points in found["series"].items())
    print_table(_COLUMNS, rows, title=title)
    print_lines(_notes(found))


def _cells(points: Sequence[Any]) -> tuple[str, ...]:
    if not points:
        return "0", "-", "-", "-", ""
    values = [point.get("avg", point.get("value")) for point in points]
    least = min(point.get("min", value) for point, value in zip(points, values, strict=True))
    greatest = max(point.get("max", value) for point, value in zip(points, values, strict=True))
    last = points[-1].get("last", values[-1])
    return f"{len(points):,}", figure_text(least), figure_text(greatest), figure_text(last), sparkline(values)


def sparkline(values: Sequence[float]) -> str:
    """Return a curve of at most 60 characters, each the mean of as many values."""
    each = ceil(len(values) / _WIDTH)
    means = [sum(part) / len(part) for part in (values[i : i + each] for i in range(0, len(values), each))]
    least, greatest = min(means), max(means)
    scale = (len(_BARS) - 1) / (greatest - least) if greatest > least else 0
    return "".join(_BARS[round((mean - least) * scale)] for mean in means)


def _notes(found: Any) -> list[str]:
    notes = [_stretch(one) for one in found["stretches"]]
    notes += [f"{gap['from']} to {gap['to']}: {gap['notice']}" for gap in found["gaps"]]
    if found["last_point_open"]:
        notes.append("The last point may still change.")
    if found["next_cursor"]:
        notes.append(f"more: --cursor {found['next_cursor']}")
    return notes


def _stretch(one: Any) -> str:
    snapshot = f", snapshot {one['snapshot_id']}" if one["snapshot_id"] else ""
    of = f" of {one['expected']:,} expected" if one["expected"] is not None else ""
    return f"{one['tier']:<5}{one['from']} to {one['to']}: {counted(one['found'], 'reading')}{of}{snapshot}"
