"""`iot.quality`: findings written, and read back as the newest answer of each check."""

import json
import logging
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import pyarrow as pa
from pyiceberg.exceptions import CommitFailedException
from pyiceberg.expressions import GreaterThanOrEqual
from pyiceberg.table import Table

from catalog.filters import moment, predicate
from catalog.quality.finding import Finding

TABLE: Final = "quality"
_REMEMBERED_MS: Final = 90 * 86_400_000
_SHOWN_MS: Final = 8 * 86_400_000
_ATTEMPTS: Final = 5
_log = logging.getLogger("millrace.quality")


class Outcome(NamedTuple):
    """Whether a check passed in one look; UTC epoch milliseconds."""

    suite: str
    check: str
    day_ms: int
    passed: bool
    checked_at_ms: int


def append(table: Table, findings: Sequence[Finding]) -> None:
    """Append findings; CommitFailedException when others keep committing first."""
    rows = pa.Table.from_pylist([_row(one) for one in findings], schema=table.schema().as_arrow())
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            table.append(rows)
        except CommitFailedException:
            if attempt == _ATTEMPTS:
                raise
            _log.warning("another writer committed first, again")
            time.sleep(1.0)
            table.refresh()
        else:
            return


def outcomes(table: Table, now_ms: int) -> list[Outcome]:
    """Return what looks of the last 90 days found, the oldest first."""
    rows = _since(table, now_ms - _REMEMBERED_MS, ("suite", "check_name", "day", "passed", "checked_at"))
    found = [
        Outcome(row["suite"], row["check_name"], _ms(row["day"]), row["passed"], _ms(row["checked_at"]))
        for row in rows
    ]
    return sorted(found, key=lambda one: one.checked_at_ms)


def newest(table: Table, now_ms: int) -> list[Finding]:
    """Return the newest finding of each check and day, of looks of the last 8 days, newest days first."""
    names = tuple(field.name for field in table.schema().fields)
    found = [_finding(row) for row in _since(table, now_ms - _SHOWN_MS, names)]
    answers = {
        (one.suite, one.check, one.day_ms): one for one in sorted(found, key=lambda f: f.checked_at_ms)
    }
    return sorted(answers.values(), key=lambda one: (-one.day_ms, one.suite, one.check))


def failed_days(found: Iterable[Outcome], suite: str) -> list[int]:
    """Return the days in which a check of a suite failed when it was last made."""
    last = {(one.check, one.day_ms): one.passed for one in found if one.suite == suite}
    return sorted({day_ms for (_, day_ms), passed in last.items() if not passed})


def _since(table: Table, since_ms: int, columns: tuple[str, ...]) -> list[dict[str, Any]]:
    wanted = predicate(GreaterThanOrEqual, "checked_at", moment(since_ms))
    rows: list[dict[str, Any]] = table.scan(row_filter=wanted, selected_fields=columns).to_arrow().to_pylist()
    return rows


def _row(one: Finding) -> dict[str, Any]:
    kept = one._asdict()
    return {name: kept[name] for name in kept.keys() & _SAME} | {
        "check_name": one.check,
        "table_name": one.table,
        "day": _moment(one.day_ms),
        "examples": json.dumps(one.examples, default=str),
        "checked_at": _moment(one.checked_at_ms),
    }


_SAME: Final = frozenset(
    {"suite", "passed", "observed", "expected", "unexpected_count", "unexpected_percent", "snapshot_id"}
)


def _finding(row: dict[str, Any]) -> Finding:
    return Finding(
        **{name: row[name] for name in _SAME},
        check=row["check_name"],
        table=row["table_name"],
        day_ms=_ms(row["day"]),
        examples=json.loads(row["examples"]),
        checked_at_ms=_ms(row["checked_at"]),
    )


def _moment(time_ms: int) -> datetime:
    return datetime.fromtimestamp(time_ms / 1000, UTC)


def _ms(value: datetime) -> int:
    return round(value.timestamp() * 1000)
