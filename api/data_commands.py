"""`millrace data DEVICE`: a device's metrics over any range; asks the API of this stack."""

import json
from collections.abc import Sequence
from math import ceil
from statistics import median
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
    from_: Annotated[
        str, typer.Option("--from", help="-1h, -7d, RFC 3339, epoch ms, a local day or time.")
    ] = "-1h",
    to: Annotated[str, typer.Option(help="Same forms, and `now`.")] = "now",
    resolution: Annotated[str, typer.Option(help="auto, raw, 10s, 1m, 1h, 1d, 1w, 1mo, ...")] = "auto",
    timezone: Annotated[
        str | None, typer.Option(help="Whose days: Europe/Berlin, +02:00; default: the site's zone, or UTC.")
    ] = None,
    downsample: Annotated[
        str, typer.Option(help="minmax, avg, lttb; of counters: increase, rate.")
    ] = "minmax",
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
        "timezone": timezone,
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
    span = f"{found['from']} to {found['to']} ({found['timezone']})"
    title = f"{found['device_id']}  {span}, points of {found['resolution']}"
    rows = ((metric, *_cells(points)) for metric, points in found["series"].items())
    print_table(_COLUMNS, rows, title=title)
    print_lines(_notes(found))


def _cells(points: Sequence[Any]) -> tuple[str, ...]:
    known = [(point, value) for point in points if (value := _value(point)) is not None]
    if not known:
        return f"{len(points):,}", "-", "-", "-", ""
    lows = [point.get("min", value) for point, value in known]
    highs = [point.get("max", value) for point, value in known]
    last, last_value = known[-1]
    figures = map(figure_text, (min(lows), max(highs), last.get("last", last_value)))
    return f"{len(points):,}", *figures, sparkline([value for _, value in known], lows, highs)


def _value(point: Any) -> float | None:
    """Return what a point is drawn by; one whose sum overflows has no average, but it has a last value."""
    names = ("avg", "value", "increase", "rate", "last")
    return next((point[name] for name in names if point.get(name) is not None), None)


def sparkline(
    values: Sequence[float], lows: Sequence[float] | None = None, highs: Sequence[float] | None = None
) -> str:
    """Return a curve of at most 60 characters; each shows what is furthest from the middle of all values.

    So a peak is seen, however short. `lows` and `highs` are the extremes of each value, if it is a mean.
    """
    each = ceil(len(values) / _WIDTH)
    middle = median(values)
    extremes = list(zip(lows or values, highs or values, strict=True))
    shown = [
        max(
            (value for pair in extremes[begin : begin + each] for value in pair),
            key=lambda value: abs(value / 2 - middle / 2),
        )
        for begin in range(0, len(values), each)
    ]
    # Halves, because the distance of the greatest floats is none.
    least, greatest = min(shown) / 2, max(shown) / 2
    if not greatest > least:
        return _BARS[0] * len(shown)
    return "".join(
        _BARS[round((value / 2 - least) / (greatest - least) * (len(_BARS) - 1))] for value in shown
    )


def _notes(found: Any) -> list[str]:
    notes = [_stretch(one) for one in found["stretches"]]
    notes += [f"{gap['from']} to {gap['to']}: {gap['notice']}" for gap in found["gaps"]]
    notes += _marked(found)
    if found["next_cursor"]:
        notes.append(f"more: --cursor {found['next_cursor']}")
    return notes


def _marked(found: Any) -> list[str]:
    """Return what is to be known of single points: open ones, overflows, and hidden resets."""
    marks = {
        name: sum(bool(point.get(name)) for points in found["series"].values() for point in points)
        for name in ("open", "estimated")
    }
    notes = (
        [f"open: the last point may still change ({counted(marks['open'], 'metric')})"]
        if marks["open"]
        else []
    )
    if found["last_point_open"] and not marks["open"]:
        notes.append("The last point may still change.")
    if found["overflows"]:
        points = counted(found["overflows"], "point")
        notes.append(f"overflow: the sum of {points} is greater than a float can be, and left out")
    if marks["estimated"]:
        notes.append(f"estimated: {counted(marks['estimated'], 'point')} may hide a reset of the counter")
    return notes


def _stretch(one: Any) -> str:
    snapshot = f", snapshot {one['snapshot_id']}" if one["snapshot_id"] else ""
    of = f" of {one['expected']:,} expected" if one["expected"] is not None else ""
    return f"{one['tier']:<5}{one['from']} to {one['to']}: {counted(one['found'], 'reading')}{of}{snapshot}"
