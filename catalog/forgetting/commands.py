"""`millrace forget`: a device goes from every store, with a report that proves it."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

from millrace.clock import to_iso
from millrace.settings import settings

if TYPE_CHECKING:
    from catalog.forgetting.report import Report

app = typer.Typer()


@app.command()
def forget(
    device: Annotated[str, typer.Argument(help="Device: NAME or TENANT/NAME.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Forget a device for good; exit 1 when something of it is left."""
    from catalog.forgetting.owner import owner_of, reports_folder
    from catalog.forgetting.report import write_report
    from catalog.forgetting.run import forget as run

    config = settings()
    tenant, _, name = device.rpartition("/")
    owner = owner_of(tenant or config.tenant, name)
    if not yes:
        typer.confirm(f"All data of {owner.key} will be gone for ever. Forget it?", abort=True, err=True)
    report = run(config, owner)
    path = write_report(reports_folder(config), report)
    if as_json:
        typer.echo(json.dumps(report.as_json()))
    else:
        _show(report)
        typer.echo(f"report: {path}")
    raise typer.Exit(0 if report.is_clean else 1)


def _show(report: "Report") -> None:
    from rich.console import Console
    from rich.table import Table

    verdict = "[green]forgotten[/]" if report.is_clean else "[red]NOT forgotten[/]"
    table = Table(title=f"{report.owner.key}: {verdict}", title_justify="left", box=None, padding=(0, 1))
    for heading in ("store", "before", "after", "snapshots expired", "files deleted"):
        table.add_column(heading, justify="left" if heading == "store" else "right")
    for name, rows in report.registry.before.items():
        table.add_row(f"postgres {name}", f"{rows:,}", f"{report.registry.after[name]:,}")
    table.add_row("redis keys", f"{report.hot.before:,}", f"{report.hot.after:,}")
    for one in report.lake:
        figures = (one.rows_before, one.rows_after, len(one.snapshots_expired), one.files_deleted)
        table.add_row(one.table, *(f"{figure:,}" for figure in figures))
    console = Console()
    console.print(table)
    for one in report.lake:
        if one.rows_named_in_bytes:
            console.print(f"{one.rows_named_in_bytes:,} rows of {one.table} named it only in their bytes")
    for tombstone in report.log.tombstones:
        console.print(f"tombstone {tombstone.topic}-{tombstone.partition} at {tombstone.offset}")
    for kept in report.log.kept:
        console.print(f"{kept.topic} keeps what it holds until {to_iso(kept.until_ms)} at the latest")
    for note in report.as_json()["elsewhere"]:
        console.print(note, soft_wrap=True)
