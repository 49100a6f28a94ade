"""What an acceptance run came to, for people or as JSON, and how its command ends."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import typer
from rich.console import Console
from rich.table import Table

from millrace.errors import MillraceError

Lines = Iterable[tuple[str, str]]


def conclude(
    title: str, figures: Mapping[str, Any], lines: Lines, differences: Sequence[str], as_json: bool
) -> None:
    """Show the figures, as JSON or in lines, and every difference; exit 1 when there is one."""
    if as_json:
        typer.echo(json.dumps(figures))
    else:
        console = Console()
        console.print(as_table(title, [*lines, ("differences", str(len(differences) or "none"))]))
        for line in differences:
            console.print(line, markup=False, soft_wrap=True)
    if differences:
        raise typer.Exit(1)


def as_table(title: str, lines: Lines) -> Table:
    """Lay names and values side by side."""
    table = Table(title, "", show_header=False, box=None)
    for name, value in lines:
        table.add_row(name, value)
    return table


def run_command(app: typer.Typer) -> None:
    """Run the command; a MillraceError ends as one sentence on stderr."""
    try:
        app()
    except MillraceError as error:
        typer.echo(str(error), err=True)
        raise SystemExit(1) from None
