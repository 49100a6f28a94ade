"""What maintenance says of itself: `maintenance.json` in the stack's folder, read by CLI and API."""

import json
from pathlib import Path
from typing import Any, NamedTuple

from catalog.maintenance.budget import Fitness
from catalog.maintenance.compaction import Compacted
from catalog.maintenance.expiry import Expired
from catalog.maintenance.orphans import Orphans
from millrace.settings import Settings


class Done(NamedTuple):
    """What was done to a table since the stack began; times are UTC epoch milliseconds, 0 = never."""

    compacted: Compacted = Compacted()
    expired: Expired = Expired()
    orphans: Orphans = Orphans()
    cpu_s: float = 0.0
    compacted_at_ms: int = 0
    expired_at_ms: int = 0
    orphans_at_ms: int = 0


class TableReport(NamedTuple):
    """A table after the newest pass over it."""

    fitness: Fitness
    snapshots: int
    done: Done


class Report(NamedTuple):
    """The newest pass: when it ended (UTC ms), how long it took, and every table by name."""

    at_ms: int
    pass_ms: int
    tables: dict[str, TableReport]


def report_file(settings: Settings) -> Path:
    """Return where the newest report lies."""
    return settings.folder / "maintenance.json"


def write_report(path: Path, report: Report) -> None:
    """Replace the report whole."""
    scratch = path.with_suffix(".new")
    scratch.write_text(json.dumps(as_json(report)))
    scratch.replace(path)


def as_json(report: Report) -> dict[str, Any]:
    """Return the report as plain values."""
    return {
        "at_ms": report.at_ms,
        "pass_ms": report.pass_ms,
        "tables": {name: table_json(table) for name, table in report.tables.items()},
    }


def table_json(table: TableReport) -> dict[str, Any]:
    """Return a table's part as plain values."""
    done = table.done
    return {
        "fitness": table.fitness._asdict() | {"within_budget": table.fitness.within_budget},
        "snapshots": table.snapshots,
        "done": done._asdict()
        | {
            "compacted": done.compacted._asdict(),
            "expired": done.expired._asdict(),
            "orphans": done.orphans._asdict(),
        },
    }


def read_report(path: Path) -> Report | None:
    """Return the newest report, None before the first."""
    try:
        found = json.loads(path.read_text())
        tables = {name: _table(table) for name, table in found["tables"].items()}
        return Report(found["at_ms"], found["pass_ms"], tables)
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _table(found: dict[str, Any]) -> TableReport:
    done = found["done"]
    fitness = {name: value for name, value in found["fitness"].items() if name != "within_budget"}
    return TableReport(
        Fitness(**fitness),
        found["snapshots"],
        Done(
            **done
            | {
                "compacted": Compacted(**done["compacted"]),
                "expired": Expired(**done["expired"]),
                "orphans": Orphans(**done["orphans"]),
            }
        ),
    )
