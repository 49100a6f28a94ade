"""Commands about corrections: `millrace corrections`."""

import json
from typing import Annotated

import typer

from catalog.corrections_report import Report, as_json, read_report, report_file
from millrace.clock import to_iso
from millrace.errors import MillraceError
from millrace.output import Column, print_table
from millrace.settings import settings

app = typer.Typer()


@app.command()
def corrections(
    is_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say how many late readings came, what was corrected for them, and what still waits."""
    report = read_report(report_file(settings()))
    if report is None:
        raise MillraceError(
            "the corrector has not reported yet", mend="`millrace up` starts it; `millrace logs corrector`."
        )
    if is_json:
        typer.echo(json.dumps(as_json(report)))
        return
    show(report)


def show(report: Report) -> None:
    """Print the figures, a line each."""
    rows = [
        (name.removesuffix("_ms").replace("_", " "), _shown(name, value))
        for name, value in report._asdict().items()
        if name not in ("state", "queues")
    ]
    for one in report.queues:
        rows.append(
            (f"{one.queue} {one.share}".replace("_", " "), f"{one.waiting:,}, lag {one.lag_ms / 1000:,.1f} s")
        )
    print_table((Column(""), Column("")), rows, title=f"corrections: {report.state}")


def _shown(name: str, value: int) -> str:
    if name == "at_ms" or name.endswith("_final_ms"):
        return to_iso(value) if value >= 0 else "not yet"
    return f"{value / 1000:,.1f} s" if name.endswith("_ms") else f"{value:,}"
