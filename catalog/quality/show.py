"""Findings as people read them on a terminal."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from catalog.quality.finding import Finding, failed
from millrace.clock import to_iso

_SHOWN_EXAMPLES = 3


def show(findings: Sequence[Finding]) -> None:
    """Print a table of findings, and examples of what failed."""
    table = Table(title=_title(findings), title_justify="left")
    for name in ("suite", "day", "check", "", "observed"):
        table.add_column(name)
    for one in findings:
        table.add_row(one.suite, day_text(one.day_ms), one.check, _sign(one), Text(one.observed))
    console = Console()
    console.print(table)
    for one in failed(list(findings)):
        console.print(Text(f"{one.suite}.{one.check} {day_text(one.day_ms)}: expected {one.expected}"))
        for example in one.examples[:_SHOWN_EXAMPLES]:
            console.print(Text("  " + ", ".join(f"{name} {value}" for name, value in example.items())))


def day_text(day_ms: int) -> str:
    """Return a day as `2026-01-31`."""
    return to_iso(day_ms)[:10]


def _title(findings: Sequence[Finding]) -> str:
    wrong = sum(not one.passed for one in findings)
    return f"data quality: {len(findings)} checks, {f'{wrong} failed' if wrong else 'all passed'}"


def _sign(one: Finding) -> Text:
    return Text("✓", style="green") if one.passed else Text("✗", style="bold red")
