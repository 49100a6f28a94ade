"""`millrace backfill`: historical files straight into the lake."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from millrace.clock import now_ms, to_iso
from millrace.phrases import counted
from millrace.settings import settings

if TYPE_CHECKING:
    from ingest.backfill.importing import Imported

app = typer.Typer()
OnConflict = Annotated[
    Literal["keep", "replace", "both"] | None,
    typer.Option(
        help="What counts where a device has another value for the same time and metric; "
        "by default as the mapping says."
    ),
]


@app.command()
def backfill(
    files: Annotated[list[Path], typer.Argument(help="CSV files, also .gz, or workbooks.")],
    mapping: Annotated[str, typer.Option(help="Mapping file, or the name of a shipped one.")],
    tenant: Annotated[str | None, typer.Option(help="Tenant; the stack's own by default.")] = None,
    device_prefix: Annotated[str, typer.Option(help="Put before every device id.")] = "",
    on_conflict: OnConflict = None,
    restore: Annotated[
        bool, typer.Option(help="Let values count again that a later import replaced.")
    ] = False,
    create: Annotated[bool, typer.Option("--create", help="The tenant is new: make it.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Import files into the lake, validated as by the gateway; the same content again adds nothing."""
    owner = tenant or settings().tenant
    _require_tenant(owner, create)
    found, notes = _run(files, mapping, (owner, device_prefix), (on_conflict, restore))
    if as_json:
        more = {"devices": sorted(found.devices), "reasons": dict(found.reasons), "notes": notes}
        typer.echo(json.dumps(found._asdict() | more))
    else:
        _show(found, notes)


def _require_tenant(tenant: str, may_create: bool) -> None:
    """Raise UnknownNameError for a tenant nobody made: its name may be misspelt, and rows cannot be moved."""
    from catalog.migrations import connect
    from catalog.registry_names import require_tenant, writer

    with connect(settings()) as connection:
        require_tenant(connection, tenant, writer(settings(), may_create))


def _run(
    files: list[Path], mapping_name: str, owner: tuple[str, str], choice: tuple[str | None, bool]
) -> "tuple[Imported, list[str]]":
    from catalog.backfills import BackfillBook, Origin
    from catalog.migrations import connect
    from ingest.backfill.conflicts import Policy
    from ingest.backfill.elements import Source, elements
    from ingest.backfill.importing import Importer
    from ingest.backfill.opened import dead_letter_log, open_lake
    from ingest.replay.mapping import load_mapping
    from ingest.replay.table import FileNotes

    config, mapping = settings(), load_mapping(mapping_name)
    source = Source(*owner, now_ms())
    notes = [FileNotes(path) for path in files]
    origin = Origin(source.tenant, [path.name for path in files], Path(mapping_name).name)
    policy = Policy(choice[0] or mapping.on_conflict, choice[1])
    with connect(config) as connection:
        book = BackfillBook(connection)
        with book.alone():
            importer = Importer(open_lake(config), book, origin, dead_letter_log(config), policy)
            found = importer.run(elements(files, mapping, source, notes))
    return found, [line for note in notes for line in note.lines()]


def _show(found: "Imported", notes: list[str]) -> None:
    typer.echo(
        f"{counted(found.rows, 'row')}: {found.new:,} new, {found.same:,} the same as stored, "
        f"{found.replaced:,} replaced other values, "
        f"{found.refused + found.refused_before:,} refused ({counted(found.refused, 'new dead letter')})"
    )
    if found.kept:
        typer.echo(f"  {found.kept:,} have other values than those stored, which are kept")
    if found.beside:
        typer.echo(f"  {found.beside:,} count beside other values of the same time")
    if found.conflicts_within:
        times = ", ".join(found.within)
        typer.echo(f"  {found.conflicts_within:,} differ from another row of these files, such as {times}")
    for reason, count in found.reasons:
        typer.echo(f"  {reason} {count:,}")
    for line in notes:
        typer.echo(line)
    if found.stored:
        typer.echo("The corrector makes rollups, sessions and alerts of them right; rollups at once:")
        names = ",".join(sorted(found.devices)) if len(found.devices) <= 10 else "all"
        span = f"--from {to_iso(found.from_ms)} --to {to_iso(found.to_ms + 1)}"
        typer.echo(f"  millrace recompute rollups --devices {names} {span} --publish")
