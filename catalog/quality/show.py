"""Findings as people read them on a terminal."""

from collections.abc import Sequence

from rich.text import Text

from catalog.quality.finding import Finding, failed
from millrace.clock import to_iso
from millrace.output import Column, left, print_lines, print_table
from millrace.phrases import counted

_SHOWN_EXAMPLES = 3


def show(findings: Sequence[Finding]) -> None:
    """Print a table of findings, and examples of what failed."""
    columns = (*left("suite", "day", "check", ""), Column("observed", wraps=True))
    rows = [(one.suite, day_text(one.day_ms), one.check, _sign(one), one.observed) for one in findings]
    print_table(columns, rows, title=_title(findings))
    for one in failed(list(findings)):
        print_lines([f"{one.suite}.{one.check} {day_text(one.day_ms)}: expected {one.expected}"])
        for example in one.examples[:_SHOWN_EXAMPLES]:
            print_lines(["  " + ", ".join(f"{name} {value}" for name, value in example.items())])


def day_text(day_ms: int) -> str:
    """Return a day as `2026-01-31`."""
    return to_iso(day_ms)[:10]


def _title(findings: Sequence[Finding]) -> str:
    wrong = sum(not one.passed for one in findings)
    return f"data quality: {counted(len(findings), 'check')}, {f'{wrong} failed' if wrong else 'all passed'}"


def _sign(one: Finding) -> Text:
    return Text("✓", style="green") if one.passed else Text("✗", style="bold red")
