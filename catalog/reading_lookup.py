"""Whether given readings have reached `iot.readings`."""

from collections.abc import Collection

from pyiceberg.expressions import BooleanExpression, EqualTo, GreaterThanOrEqual, In
from pyiceberg.table import Table

from catalog.filters import every, moment, predicate


def stored_readings(table: Table, readings: Collection[str], since_ms: int) -> set[str]:
    """Return which of `tenant/device_id/event_id` were received since a time and are stored."""
    parts = [reading.split("/", 2) for reading in readings]
    if not parts:
        return set()
    tenants, devices, events = ({part[place] for part in parts} for place in range(3))
    terms = [
        predicate(GreaterThanOrEqual, "received_at", moment(since_ms)),
        _one_of("tenant", tenants),
        _one_of("device_id", devices),
        _one_of("event_id", events),
    ]
    fields = ("tenant", "device_id", "event_id")
    rows = table.scan(row_filter=every(terms), selected_fields=fields).to_arrow().to_pylist()
    return {"/".join(row[name] for name in fields) for row in rows} & set(readings)


def newest_commit_ms(table: Table) -> int:
    """Return when the stream last committed to a table, UTC epoch milliseconds; 0 before the first time."""
    snapshot = table.current_snapshot()
    return snapshot.timestamp_ms if snapshot else 0


def _one_of(column: str, values: set[str]) -> BooleanExpression:
    return predicate(EqualTo, column, *values) if len(values) == 1 else predicate(In, column, values)
