"""Commands about the tables: `millrace tables`, `millrace maintain`."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

from millrace.clock import now_ms
from millrace.errors import MillraceError
from millrace.settings import settings

if TYPE_CHECKING:
    from catalog.maintenance.report import Report

app = typer.Typer()
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Names = Annotated[list[str] | None, typer.Option("--table", help="Only this table; may be repeated.")]
_MOST_PASSES = 100


@app.command()
def tables(table: Names = None, as_json: Json = False) -> None:
    """Show how the tables are packed, against their budget; exit 1 when one is over it."""
    from catalog.lake import load_lake
    from catalog.maintenance.passes import look
    from catalog.maintenance.report import read_report, report_file

    config = settings()
    report = look(load_lake(config), read_report(report_file(config)), now_ms(), _full(table))
    _show(report, as_json=as_json)
    raise typer.Exit(0 if all(one.fitness.within_budget for one in report.tables.values()) else 1)


@app.command()
def maintain(
    table: Names = None,
    once: Annotated[bool, typer.Option("--once", help="One pass, even if there is more to do.")] = False,
    as_json: Json = False,
) -> None:
    """Join small files, expire snapshots and remove orphans now; the service `maintenance` does it anyway."""
    from catalog.lake import load_lake
    from catalog.maintenance.alone import Alone
    from catalog.maintenance.passes import Maintainer
    from catalog.maintenance.report import read_report, report_file, write_report
    from catalog.tiering.tierer import Tierer

    config = settings()
    alone = Alone(config)
    if not alone.take():
        raise MillraceError(
            "another maintainer is at work",
            where="maintenance",
            mend="The service does it by itself, see `millrace tables`; or stop it first.",
        )
    path = report_file(config)
    lake = load_lake(config)
    maintainer = Maintainer(lake, read_report(path), alone.check)
    Tierer(lake).settle()
    for _ in range(1 if once else _MOST_PASSES):
        report = maintainer.run_pass(now_ms(), _full(table))
        write_report(path, report)
        if not maintainer.has_more:
            break
    alone.close()
    _show(report, as_json=as_json)


def _full(names: list[str] | None) -> list[str]:
    """Return full names: a table without a namespace is one of `iot`."""
    return [name if "." in name else f"iot.{name}" for name in names or []]


def _show(report: "Report", *, as_json: bool) -> None:
    from catalog.maintenance.report import as_json as plain
    from catalog.maintenance.view import show_tables

    if as_json:
        typer.echo(json.dumps(plain(report)))
    else:
        show_tables(report)
