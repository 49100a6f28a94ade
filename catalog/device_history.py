"""What the lake holds of one device: its sessions and its events, newest first."""

from collections.abc import Collection
from typing import Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.expressions import (
    BooleanExpression,
    EqualTo,
    GreaterThanOrEqual,
    LessThan,
    LessThanOrEqual,
)
from pyiceberg.table import Table

from catalog.filters import every, moment, predicate


class Sought(NamedTuple):
    """A device and a half-open range of event time, [from_ms, to_ms)."""

    tenant: str
    device_id: str
    from_ms: int
    to_ms: int


class Session(NamedTuple):
    """A revision of a session; times are UTC epoch milliseconds, an extreme is None if never sent."""

    session_start: int
    session_end: int
    readings: int
    gaps: int
    battery_min: float | None
    battery_max: float | None
    signal_min: float | None
    signal_max: float | None
    site: str
    profile: str
    late_count: int
    revision: int
    superseded: bool


class Event(NamedTuple):
    """Something that happened to the device; times are UTC epoch milliseconds."""

    event_id: str
    type: str
    site: str
    event_time: int
    detected_at: int
    cause: str
    part_of: str
    details: dict[str, str]

    @property
    def place(self) -> "Place":
        """Return where the event stands in order."""
        return Place(self.event_time, self.event_id)


class Place(NamedTuple):
    """Where an event stands among others of its device."""

    event_time: int
    event_id: str


_SESSIONS_FROM: Final = [("session_start", "descending"), ("revision", "descending")]
_EVENTS_FROM: Final = [("event_time", "descending"), ("event_id", "descending")]


def sessions(table: Table, sought: Sought, limit: int, before_ms: int | None = None) -> list[Session]:
    """Return up to `limit` sessions that touch the range and began before a time, the latest first.

    Of each the highest revision counts; one that merged into another is left out.
    """
    until_ms = sought.to_ms if before_ms is None else min(before_ms, sought.to_ms)
    began = [*_of(sought), predicate(LessThan, "session_start", moment(until_ms))]
    touching = [*began, predicate(GreaterThanOrEqual, "session_end", moment(sought.from_ms))]
    starts = _rows(table, touching, ["session_start"])["session_start"]
    if not len(starts):
        return []
    # The revision that counts may end before the range: a correction can cut a session in two.
    began.append(predicate(GreaterThanOrEqual, "session_start", moment(min(_in_ms(starts)))))
    found: dict[int, Session] = {}
    for values in _values(_rows(table, began, Session._fields).sort_by(_SESSIONS_FROM)):
        session = Session(*values)
        found.setdefault(session.session_start, session)
    counting = (one for one in found.values() if not one.superseded and one.session_end >= sought.from_ms)
    return list(counting)[:limit]


def events(table: Table, sought: Sought, limit: int, after: Place | None = None) -> list[Event]:
    """Return up to `limit` events of the device, the latest first, that follow `after`; each once."""
    terms = [
        *_of(sought),
        predicate(GreaterThanOrEqual, "event_time", moment(sought.from_ms)),
        predicate(LessThan, "event_time", moment(sought.to_ms)),
    ]
    if after:
        terms.append(predicate(LessThanOrEqual, "event_time", moment(after.event_time)))
    found: dict[str, Event] = {}
    for values in _values(_rows(table, terms, Event._fields).sort_by(_EVENTS_FROM)):
        event = Event(*values)
        if after is None or event.place < after:
            found.setdefault(event.event_id, event)
    return list(found.values())[:limit]


def written_ms(table: Table) -> int | None:
    """Return when the newest rows of a table were committed, None while it is empty."""
    snapshot = table.current_snapshot()
    return None if snapshot is None else snapshot.timestamp_ms


def _of(sought: Sought) -> list[BooleanExpression]:
    return [
        predicate(EqualTo, "tenant", sought.tenant),
        predicate(EqualTo, "device_id", sought.device_id),
    ]


def _rows(table: Table, terms: Collection[BooleanExpression], columns: Collection[str]) -> pa.Table:
    scan = table.scan(row_filter=every(terms), selected_fields=tuple(columns))
    return scan.to_arrow().select(list(columns))


def _in_ms(column: pa.ChunkedArray) -> list[int]:
    return [time_us // 1000 for time_us in pc.cast(column, pa.int64()).to_pylist()]


def _values(rows: pa.Table) -> list[tuple[Any, ...]]:
    columns = (_plain(column) for column in rows.columns)
    return list(zip(*columns, strict=True))


def _plain(column: pa.ChunkedArray) -> list[Any]:
    if pa.types.is_timestamp(column.type):
        return _in_ms(column)
    if pa.types.is_map(column.type):
        return [dict(entries or ()) for entries in column.to_pylist()]
    return list(column.to_pylist())
