"""`millrace alerts explain`: why there is an alert, on one screen."""

import json
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Final

import typer

from api.asking import ask, path_of, time_text
from millrace.output import Column, print_table
from millrace.phrases import figure_text

app = typer.Typer()

# Around the onset; --json has all.
_ROWS: Final = 6
_METRICS: Final = 4


@app.command()
def explain(
    alert_id: Annotated[str, typer.Argument(help="Id of the alert.")],
    snapshot: Annotated[str | None, typer.Option(help="Snapshot of iot.readings to read; now's.")] = None,
    tenant: Annotated[str | None, typer.Option(help="Default: the tenant this stack is set to.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Explain an alert: the readings around it, what else was unusual, the neighbours, and the past."""
    found = ask("GET", path_of("alerts", alert_id, "explanation"), {"snapshot": snapshot, "tenant": tenant})
    if as_json:
        typer.echo(json.dumps(found))
    else:
        _show(found)


def _show(found: Any) -> None:
    alert = found["alert"]
    place = f"{alert['site']}/{alert['device_id']}" if alert["site"] else alert["device_id"]
    typer.echo(
        f"{place}: {alert['rule']} v{alert['rule_version']}, {alert['severity']}, {alert['state']}, "
        f"since {time_text(alert['onset'])}"
    )
    for line in found["summary"]:
        typer.echo(f"  {line}")
    _show_departures(found["departures"])
    _show_neighbours(found["neighbours"])
    _show_readings(found)
    _show_similar(found["similar"])
    _show_data(found["data"])
    for notice in found["notices"]:
        typer.secho(f"! {notice}", fg=typer.colors.YELLOW, err=True)


def _show_departures(found: Any) -> None:
    if found:
        rows = (("" if one["remarkable"] else "-", *_departure(one)) for one in found["metrics"])
        _table("On the device", ("", "metric", "value", "usual", "z-score"), rows)


def _show_neighbours(found: Any) -> None:
    if not found:
        return
    rows = (
        (
            one["device_id"],
            *(_departure(one["departure"])[1:] if one["departure"] else ("cannot be judged", "", "")),
        )
        for one in found["devices"]
    )
    _table(f"{found['metric']} at {found['site']}", ("device", "value", "usual", "z-score"), rows)


def _departure(one: Any) -> tuple[str, ...]:
    z = "never varied" if one["z"] is None else f"{one['z']:.1f}"
    return one["metric"], figure_text(one["value"]), figure_text(one["usual"]), z


def _show_readings(found: Any) -> None:
    read = found["readings"]
    if not read or not read["readings"]:
        return
    onset_ms = found["alert"]["onset_ms"]
    place = sum(one["time_ms"] < onset_ms for one in read["readings"])
    shown = read["readings"][max(0, place - _ROWS) : place + _ROWS]
    metrics = _chosen(found, shown)
    rows = (
        (
            ">" if one["time_ms"] >= onset_ms else "",
            time_text(one["time"]),
            *(figure_text(one["metrics"][name]) if name in one["metrics"] else "" for name in metrics),
            "late" if one["late"] else "",
        )
        for one in shown
    )
    count = len(read["readings"]) + read["left_out"]
    title = f"Readings around the onset, {len(shown)} of {count} (> from it on)"
    _table(title, ("", "time", *metrics, ""), rows)


def _chosen(found: Any, shown: Iterable[Any]) -> list[str]:
    """Return the metrics that say most: the alert's, then the farthest departed, then the others."""
    sent = {name for one in shown for name in one["metrics"]}
    departed = [one["metric"] for one in (found["departures"] or {"metrics": ()})["metrics"]]
    order = dict.fromkeys([found["data"]["metric"], *departed, *sorted(sent)])
    return [name for name in order if name in sent][:_METRICS]


def _show_similar(found: Sequence[Any]) -> None:
    rows = (
        (time_text(one["onset"]), one["device_id"], one["severity"], one["ended"], one["last_comment"] or "")
        for one in found
    )
    if found:
        _table("Alike before", ("onset", "device", "severity", "ended", "last comment"), rows)


def _show_data(found: Any) -> None:
    if found["commit"]:
        snapshot, at = found["commit"]["snapshot_id"], time_text(found["commit"]["committed"])
        typer.echo(f"When it was raised the data was at snapshot {snapshot}, committed {at}:")
        typer.echo(f"  GET {found['explanation_path']}")
    typer.echo(f"Series: GET {found['series_path']}")


def _table(title: str, headings: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
    columns = [Column(heading, wraps=heading == "last comment") for heading in headings]
    print_table(columns, rows, title=title)
