"""Commands about the tiers: `millrace tiers`."""

import json
from typing import Annotated

import typer

from millrace.errors import MillraceError
from millrace.phrases import counted
from millrace.settings import settings

app = typer.Typer()


@app.command()
def tiers(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    move: Annotated[bool, typer.Option("--move", help="First move and delete what is due.")] = False,
) -> None:
    """Show rows, files, size and cost of readings in each tier: Redis, `iot.readings`, the archive."""
    from catalog.lake import load_lake
    from catalog.tiering.overview import overview
    from catalog.tiering.view import show_tiers

    config = settings()
    lake = load_lake(config)
    if move:
        _move()
    found = overview(config, lake)
    if as_json:
        typer.echo(json.dumps([tier._asdict() for tier in found]))
    else:
        show_tiers(found)


def _move() -> None:
    from catalog.lake import load_lake
    from catalog.maintenance.alone import Alone
    from catalog.migrations import connect
    from catalog.tiering.terms import load_terms
    from catalog.tiering.tierer import Tierer
    from millrace.clock import now_ms

    config = settings()
    alone = Alone(config)
    if not alone.take():
        raise MillraceError(
            "another maintainer is at work",
            where="maintenance",
            mend="The service moves what is due once an hour by itself; or stop it first.",
        )
    with connect(config) as registry:
        done = Tierer(load_lake(config)).run_pass(load_terms(registry), now_ms())
    alone.close()
    typer.echo(f"{counted(done.moved.rows, 'row')} moved, {done.deleted.rows:,} deleted", err=True)
