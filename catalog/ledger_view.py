"""The ledger for people."""

from typing import Any

from rich.console import Console
from rich.table import Table

from millrace.clock import to_iso

_MINUTE_COLUMNS = (
    "accepted_gateway",
    "accepted_kafka",
    "stored",
    "on_time",
    "late",
    "duplicate",
    "dead_letters",
)
_ROLLUP_COLUMNS = ("rollup_count", "expected_rollup_count")
_DEVICE_COLUMNS = ("on_time", "late", "duplicate", "missing", *_ROLLUP_COLUMNS)
_PARTITION_COLUMNS = (
    "accepted",
    "accounted",
    "direct",
    "unaccounted",
    "stored",
    "missing",
    "repeated",
    "gaps",
)
Found = dict[str, Any]


def show_ledger(found: Found) -> None:
    """Print the verdict, the partitions, the minutes asked for and what is wrong."""
    console = Console()
    console.print(_partitions(found))
    for line in (_marks(found), _rollups(found), _dead_letters(found)):
        console.print(line, highlight=False)
    if found["minutes"]:
        console.print(_minutes(found["minutes"], (*_MINUTE_COLUMNS, *_ROLLUP_COLUMNS), notes=True))
    for finding in found["findings"]:
        console.print(f"[red]✗[/] {finding['says']}", soft_wrap=True, highlight=False)


def show_device(found: Found) -> None:
    """Print one device's verdict, its minutes and its wrong windows."""
    console = Console()
    console.print(f"{found['tenant']}/{found['device_id']}: {_verdict(found)}")
    names = ("accepted", "stored", "on_time", "late", "duplicate", "missing", "repeated", "dead_letters")
    console.print("  ".join(f"{name} {_cell(found[name])}" for name in names), highlight=False)
    if found["waiting"]:
        console.print(f"{found['waiting']} windows are open or await correction", highlight=False)
    console.print(_minutes(found["minutes"], _DEVICE_COLUMNS, notes=False))
    for row in found["wrong"]:
        window = to_iso(row["minute"] * 60_000)
        says = f"[red]✗[/] {row['metric']} at {window} holds {row['found']} of {row['expected']}"
        console.print(says, highlight=False)


def _partitions(found: Found) -> Table:
    table = Table(title=f"ledger: {_verdict(found)}", title_justify="left")
    for column in ("partition", *_PARTITION_COLUMNS):
        table.add_column(column, justify="right")
    for row in found["partitions"]:
        table.add_row(*(_cell(row[column]) for column in ("partition", *_PARTITION_COLUMNS)))
    table.add_section()
    totals = found | found["gateways"] | {"gaps": []}
    table.add_row("all", *(_cell(totals[column]) for column in _PARTITION_COLUMNS))
    return table


def _marks(found: Found) -> str:
    behind = f"  not stored yet {_cell(found['behind'])}" if found["behind"] else ""
    return "  ".join(f"{mark} {_cell(found[mark])}" for mark in ("on_time", "late", "duplicate")) + behind


def _rollups(found: Found) -> str:
    windows = found["rollups"]
    states = ", ".join(f"{windows[name]} {name}" for name in ("open", "pending", "wrong") if windows[name])
    held = f"rollups hold {_cell(windows['found'])} of {_cell(windows['expected'])} points"
    return f"{held} (windows: {states})" if states else held


def _dead_letters(found: Found) -> str:
    reasons = found["dead_letter_reasons"].items()
    by_reason = ", ".join(f"{reason} {sides['stored']}/{sides['gateways']}" for reason, sides in reasons)
    total = f"dead letters {_cell(found['dead_letters'])}"
    return f"{total} (stored/told by gateways: {by_reason})" if by_reason else total


def _minutes(rows: list[Found], columns: tuple[str, ...], notes: bool) -> Table:
    table = Table("minute", *(name.replace("_", " ") for name in columns), *(["note"] if notes else []))
    for row in rows:
        note = [row["note"]] if notes else []
        table.add_row(to_iso(row["minute_ms"])[:16], *(_cell(row[name]) for name in columns), *note)
    return table


def _verdict(found: Found) -> str:
    return "[green]balanced[/]" if found["balanced"] else "[red]NOT balanced[/]"


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(f"{first}-{last}" for first, last in value)
    return f"{value:,}"
