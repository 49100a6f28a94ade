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
    from rich.text import Text

    from millrace.output import left, print_lines, print_table, right

    verdict = Text("forgotten", "green") if report.is_clean else Text("NOT forgotten", "red")
    columns = (*left("store"), *right("before", "after", "snapshots expired", "files deleted"))
    title = Text.assemble(f"{report.owner.key}: ", verdict)
    print_table(columns, _figures(report), title=title)
    print_lines(_notes(report))


def _figures(report: "Report") -> list[list[str]]:
    rows = [
        [f"postgres {name}", f"{before:,}", f"{report.registry.after[name]:,}", "", ""]
        for name, before in report.registry.before.items()
    ]
    rows.append(["redis keys", f"{report.hot.before:,}", f"{report.hot.after:,}", "", ""])
    for one in report.lake:
        figures = (one.rows_before, one.rows_after, len(one.snapshots_expired), one.files_deleted)
        rows.append([one.table, *(f"{figure:,}" for figure in figures)])
    return rows


def _notes(report: "Report") -> list[str]:
    from millrace.phrases import counted

    in_bytes = [
        f"{counted(one.rows_named_in_bytes, 'row')} of {one.table} named it only in the bytes"
        for one in report.lake
        if one.rows_named_in_bytes
    ]
    tombstones = [f"tombstone {one.topic}-{one.partition} at {one.offset}" for one in report.log.tombstones]
    kept = [
        f"{one.topic} keeps what it holds until {to_iso(one.until_ms)} at the latest"
        for one in report.log.kept
    ]
    return [*in_bytes, *tombstones, *kept, *report.as_json()["elsewhere"]]
