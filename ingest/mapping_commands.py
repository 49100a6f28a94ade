"""`millrace mapping`: tries a mapping on a file without sending or storing anything."""

import json
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    no_args_is_help=True, help="How rows of files become readings: try it, list what is shipped."
)


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="CSV file, also .gz, or workbook.")],
    mapping: Annotated[str, typer.Argument(help="Mapping file, or the name of a shipped one.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show the first ten rows as readings, and what would be refused; exit 1 when no row is a reading."""
    from ingest.backfill.checking import as_json as to_json
    from ingest.backfill.checking import check, lines
    from ingest.replay.mapping import load_mapping
    from millrace.clock import now_ms
    from millrace.output import print_lines

    found = check(file, load_mapping(mapping), now_ms())
    if as_json:
        typer.echo(json.dumps(to_json(found)))
    else:
        print_lines(lines(found))
    if not found.readings:
        raise typer.Exit(1)


@app.command("list")
def list_mappings() -> None:
    """List the shipped mappings."""
    from ingest.replay.mapping import load_mapping, shipped_mappings

    for name in shipped_mappings():
        typer.echo(f"{name}: {load_mapping(name).about}")
