"""The ledger for people."""

from typing import Any

from rich.text import Text

from catalog.backfills import PARTITION as BACKFILLED
from catalog.marks import MARKS
from millrace.clock import to_iso
from millrace.output import Cell, print_lines, print_table, right
from millrace.phrases import counted, harmless

# Heading to figure; narrow, so that a terminal of 80 columns holds a row.
_MINUTE = {
    "gateway": "accepted_gateway",
    "kafka": "accepted_kafka",
    "stored": "stored",
    "on time": "on_time",
    "late": "late",
    "dup": "duplicate",
    "repl": "replaced",
    "dead": "dead_letters",
}
_DEVICE = {"on time": "on_time", "late": "late", "dup": "duplicate", "repl": "replaced", "missing": "missing"}
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
    _show_partitions(found)
    print_lines((_marks(found), _rollups(found), _dead_letters(found)))
    if found["minutes"]:
        _show_minutes(found["minutes"], _MINUTE)
    print_lines(f"{to_iso(row['minute_ms'])[:16]}  {row['note']}" for row in found["minutes"] if row["note"])
    print_lines(_wrong(finding["says"]) for finding in found["findings"])


def show_device(found: Found) -> None:
    """Print one device's verdict, its minutes and its wrong windows."""
    print_lines([Text.assemble(f"{found['tenant']}/{found['device_id']}: ", _verdict(found))])
    names = ("accepted", "stored", *MARKS, "missing", "repeated", "dead_letters")
    print_lines(["  ".join(f"{name} {_cell(found[name])}" for name in names)])
    if found["waiting"]:
        waits = "is open or awaits" if found["waiting"] == 1 else "are open or await"
        print_lines([f"{counted(found['waiting'], 'window')} {waits} correction"])
    _show_minutes(found["minutes"], _DEVICE)
    for row in found["wrong"]:
        window = to_iso(row["minute"] * 60_000)
        print_lines([_wrong(f"{row['metric']} at {window} holds {row['found']} of {row['expected']}")])


def _wrong(says: str) -> Text:
    return Text.assemble(("✗ ", "red"), harmless(says))


def _show_partitions(found: Found) -> None:
    rows = [
        (_partition(row["partition"]), *(_cell(row[name]) for name in _PARTITION.values()))
        for row in found["partitions"]
    ]
    sums = found | found["gateways"] | {"gaps": []}
    total = ("all", *(_cell(sums[name]) for name in _PARTITION.values()))
    title = Text.assemble("ledger: ", _verdict(found))
    print_table(right("partition", *_PARTITION), rows, title=title, total=total)


def _partition(number: int) -> str:
    return "backfill" if number == BACKFILLED else _cell(number)


def _marks(found: Found) -> str:
    behind = f"  not stored yet {_cell(found['behind'])}" if found["behind"] else ""
    return "  ".join(f"{mark} {_cell(found[mark])}" for mark in MARKS) + behind


def _rollups(found: Found) -> str:
    windows = found["rollups"]
    states = ", ".join(f"{windows[name]} {name}" for name in ("open", "pending", "wrong") if windows[name])
    held = f"rollups hold {_cell(windows['found'])} of {counted(windows['expected'], 'point')}"
    return f"{held} (windows: {states})" if states else held


def _dead_letters(found: Found) -> str:
    reasons = found["dead_letter_reasons"].items()
    by_reason = ", ".join(f"{reason} {sides['stored']}/{sides['gateways']}" for reason, sides in reasons)
    total = f"dead letters {_cell(found['dead_letters'])}"
    return f"{total} (stored/told by gateways: {by_reason})" if by_reason else total


def _show_minutes(rows: list[Found], columns: dict[str, str]) -> None:
    shown: list[list[Cell]] = []
    for row in rows:
        rollups = f"{_cell(row['rollup_count'])}/{_cell(row['expected_rollup_count'])}"
        figures = (_cell(row[name]) for name in columns.values())
        shown.append([to_iso(row["minute_ms"])[:16], *figures, rollups])
    print_table(right("minute", *columns, "rollups"), shown)


def _verdict(found: Found) -> Text:
    return Text("balanced", "green") if found["balanced"] else Text("NOT balanced", "red")


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(f"{first}-{last}" for first, last in value)
    return f"{value:,}"
