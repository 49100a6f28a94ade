"""The ledger for people."""

from typing import Any

from rich.console import Console
from rich.table import Table

from catalog.backfills import PARTITION as BACKFILLED
from millrace.clock import to_iso

# Heading to figure; narrow, so that a terminal of 80 columns holds a row.
_MINUTE = {
    "gateway": "accepted_gateway",
    "kafka": "accepted_kafka",
    "stored": "stored",
    "on time": "on_time",
    "late": "late",
    "dup": "duplicate",
    "dead": "dead_letters",
}
_DEVICE = {"on time": "on_time", "late": "late", "dup": "duplicate", "missing": "missing"}
_PARTITION = {
    "accepted": "accepted",
    "told": "accounted",
    "direct": "direct",
    "untold": "unaccounted",
    "forgotten": "forgotten",
    "stored": "stored",
    "missing": "missing",
    "twice": "repeated",
    "gaps": "gaps",
}
Found = dict[str, Any]


def show_ledger(found: Found) -> None:
    """Print the verdict, the partitions, the minutes asked for and what is wrong."""
    console = Console()
    console.print(_partitions(found))
    for line in (_marks(found), _rollups(found), _dead_letters(found)):
        console.print(line, highlight=False)
    if found["minutes"]:
        console.print(_minutes(found["minutes"], _MINUTE))
    for row in found["minutes"]:
        if row["note"]:
            console.print(f"{to_iso(row['minute_ms'])[:16]}  {row['note']}", soft_wrap=True, highlight=False)
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
    console.print(_minutes(found["minutes"], _DEVICE))
    for row in found["wrong"]:
        window = to_iso(row["minute"] * 60_000)
        says = f"[red]✗[/] {row['metric']} at {window} holds {row['found']} of {row['expected']}"
        console.print(says, highlight=False)


def _partitions(found: Found) -> Table:
    table = _table("partition", *_PARTITION, title=f"ledger: {_verdict(found)}")
    for row in found["partitions"]:
        name = "backfill" if row["partition"] == BACKFILLED else _cell(row["partition"])
        table.add_row(name, *(_cell(row[name]) for name in _PARTITION.values()))
    totals = found | found["gateways"] | {"gaps": []}
    table.add_row("all", *(_cell(totals[name]) for name in _PARTITION.values()), style="bold")
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


def _minutes(rows: list[Found], columns: dict[str, str]) -> Table:
    table = _table("minute", *columns, "rollups")
    for row in rows:
        rollups = f"{_cell(row['rollup_count'])}/{_cell(row['expected_rollup_count'])}"
        figures = (_cell(row[name]) for name in columns.values())
        table.add_row(to_iso(row["minute_ms"])[:16], *figures, rollups)
    return table


def _table(*headings: str, title: str | None = None) -> Table:
    table = Table(title=title, title_justify="left", box=None, padding=(0, 1))
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True, style=None)
    return table


def _verdict(found: Found) -> str:
    return "[green]balanced[/]" if found["balanced"] else "[red]NOT balanced[/]"


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(f"{first}-{last}" for first, last in value)
    return f"{value:,}"
