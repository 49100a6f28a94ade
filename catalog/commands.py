"""Commands about the lake: `millrace ledger`."""

import json
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from millrace.settings import settings

app = typer.Typer()


@app.command()
def ledger(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    settle: Annotated[float, typer.Option(help="Seconds to wait for the lake to reach the cut.")] = 30,
) -> None:
    """Balance what was acknowledged against what is stored; exit 1 when it does not balance."""
    from catalog.ledger_source import take_ledger

    found = take_ledger(settings(), settle).as_json()
    if as_json:
        typer.echo(json.dumps(found))
    else:
        Console().print(_table(found))
    raise typer.Exit(0 if found["balanced"] else 1)


def _table(found: dict[str, object]) -> Table:
    verdict = "[green]balanced[/]" if found["balanced"] else "[red]NOT balanced[/]"
    table = Table(title=f"ledger: {verdict}", title_justify="left")
    columns = ("partition", "accepted", "stored", "missing", "repeated", "gaps")
    for column in columns:
        table.add_column(column, justify="right")
    partitions = found["partitions"]
    assert isinstance(partitions, list)
    for row in partitions:
        table.add_row(*(_cell(row[column]) for column in columns))
    table.add_section()
    table.add_row("all", _cell(found["accepted"]), _cell(found["stored"]))
    table.caption = "  ".join(
        f"{m} {_cell(found[m])}" for m in ("on_time", "late", "duplicate", "dead_letters")
    )
    return table


def _cell(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(f"{first}-{last}" for first, last in value)
    return f"{value:,}"
