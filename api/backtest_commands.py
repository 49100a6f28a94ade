"""`millrace rules backtest` and `compare`: a rule over the past, and two rules side by side."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from api.asking import ask, path_of, time_text
from millrace.errors import MillraceError
from millrace.output import Column, print_table
from millrace.phrases import counted

app = typer.Typer()

# A scan of much history takes its time.
_PATIENCE_S = 3600
_SHOWN = 40
_TIMES = "-7d, now, RFC 3339 or epoch ms."
Name = Annotated[str, typer.Argument(help="Name of the rule.")]
From = Annotated[str, typer.Option("--from", help=f"Event time from: {_TIMES}")]
To = Annotated[str, typer.Option(help="Event time before; same forms.")]
Tenant = Annotated[str | None, typer.Option(help="Default: the tenant this stack is set to.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def backtest(
    name: Name,
    from_: From,
    to: To = "now",
    version: Annotated[int | None, typer.Option(help="Default: the rule as it is now.")] = None,
    file: Annotated[Path | None, typer.Option(help="YAML with a draft, judged instead.")] = None,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Say what a rule would have raised on the readings that are stored; nothing is raised."""
    asked = {"from": from_, "to": to, "version": version, "tenant": tenant}
    draft = None if file is None else _draft(name, file)
    with _waiting(f"judging the past by {name}", hidden=as_json):
        found = ask("POST", path_of("rules", name, "backtest"), asked, body=draft, patience_s=_PATIENCE_S)
    if as_json:
        typer.echo(json.dumps(found))
    else:
        _show_backtest(found)


@app.command()
def compare(
    name: Name,
    other: Annotated[str, typer.Option("--with", help="The rule to compare with, such as a shadow.")],
    from_: From = "-7d",
    to: To = "now",
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Lay the alerts of two rules side by side: what both saw, and what only one of them did."""
    asked = {"with": other, "from": from_, "to": to, "tenant": tenant}
    found = ask("GET", path_of("rules", name, "comparison"), asked)
    if as_json:
        typer.echo(json.dumps(found))
    else:
        _show_comparison(found)


def _draft(name: str, file: Path) -> dict[str, Any]:
    from api.rule_commands import read_places
    from udfs.rules.model import rule_data

    rules = {rule.rule: rule for rule in read_places([file])}
    if name not in rules:
        raise MillraceError(
            f"the file holds no rule {name!r}", where=str(file), mend=f"It has: {', '.join(rules) or 'none'}."
        )
    return rule_data(rules[name])


@contextmanager
def _waiting(what: str, *, hidden: bool) -> Iterator[None]:
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    disable = hidden or not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=disable) as progress:
        progress.add_task(what, total=None)
        yield


def _show_backtest(found: Any) -> None:
    version = "draft" if found["version"] is None else f"v{found['version']}"
    typer.echo(f"{found['rule']} ({version}) {found['says']} from {found['from']} to {found['to']}")
    typer.echo(
        f"rows read {found['rows_read']:,}, devices judged {found['devices_judged']:,}, "
        f"took {found['took_ms'] / 1000:.1f} s, snapshot {found['snapshot_id']}"
    )
    _table(
        found["instances"],
        ("device", "severity", "onset UTC", "raised after", "over after", "with"),
        _fired_cells,
    )
    if found["truncated"]:
        typer.echo(f"the answer lists the first {found['most_instances']:,}; all are counted")


def _fired_cells(one: Any) -> tuple[str, ...]:
    from udfs.notify.quantities import figure

    told = {name: value for name, value in one["evidence"].items() if name != "metric"}
    figures = ", ".join(f"{name} {figure(value)}" for name, value in told.items())
    return (*_cells(one), _after(one, "raised_ms"), _after(one, "cleared_ms"), figures)


def _show_comparison(found: Any) -> None:
    both = found["both"]
    typer.echo(f"{found['says']}, from {found['from']} to {found['to']}")
    first = f"{counted(both['first_alerts'], 'alert')} of {found['first']}"
    second = f"{both['second_alerts']:,} of {found['second']}"
    typer.echo(f"both: {first} and {second} on {counted(both['devices'], 'device')}")
    for side in ("first", "second"):
        part = found[f"only_{side}"]
        typer.echo(
            f"only {found[side]}: {counted(part['alerts'], 'alert')} on {counted(part['devices'], 'device')}"
        )
        _table(part["instances"], ("device", "severity", "onset UTC", "over after", "alert"), _compared_cells)


def _compared_cells(one: Any) -> tuple[str, ...]:
    return (*_cells(one), _after(one, "cleared_ms"), one["alert_id"])


def _cells(one: Any) -> tuple[str, ...]:
    return one["device_id"], one["severity"], time_text(one["onset"])


def _after(one: Any, name: str) -> str:
    from udfs.notify.quantities import duration

    return "lasts" if one[name] is None else duration((one[name] - one["onset_ms"]) / 1000)


def _table(instances: list[Any], headings: tuple[str, ...], cells: Any) -> None:
    if not instances:
        return
    columns = [Column(heading, wraps=heading == "with") for heading in headings]
    print_table(columns, map(cells, instances[:_SHOWN]))
    if len(instances) > _SHOWN:
        typer.echo(f"... and {len(instances) - _SHOWN:,} more: --json lists them")
