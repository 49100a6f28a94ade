"""What correcting sessions reads: ranges whose turn it is, sessions told, readings around them."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import groupby, pairwise
from typing import Final, NamedTuple, Protocol

import numpy as np
import pyarrow as pa
from pyiceberg.table import Table

from catalog.filters import joined_spans
from jobs.corrections.lake_reads import counted_readings, published_sessions
from jobs.corrections.memory import Memory
from jobs.corrections.shares import Share
from udfs.session_corrections import Span, Told, Touched
from udfs.sessions import Flags, Session, Times, Values, gap_after_ms, sessionize

BATCH_RANGES: Final = 5_000
_ROWS: Final = 200_000
QUIET_MS: Final = 30_000
PATIENCE_MS: Final = 600_000
_BEFORE_ALL: Final = ("", "", 1 << 62)


class DeviceTerms(Protocol):
    """What of a device's context its sessions depend on."""

    @property
    def site(self) -> str:
        """Where the device is."""

    @property
    def profile(self) -> str:
        """What kind of device it is."""

    @property
    def offline_after_ms(self) -> int:
        """The silence that ends a session."""

    @property
    def expected_interval_ms(self) -> int:
        """How often it sends."""


class _Columns(NamedTuple):
    """Columns of readings in order of event time."""

    event_times_ms: Times
    battery: Values
    signal: Values
    late: Flags


_NONE: Final = ("", _Columns(np.zeros(0, np.int64), np.zeros(0), np.zeros(0), np.zeros(0, np.bool_)))


class Range(NamedTuple):
    """Late readings of a device (`tenant/device_id`) within one hour of event time."""

    owner: str
    hour_ms: int
    touched: Touched

    @property
    def place(self) -> tuple[str, str, int]:
        """Return where the range stands in order."""
        tenant, _, device_id = self.owner.partition("/")
        return tenant, device_id, self.hour_ms


def due_ranges(memory: Memory, share: Share, after: Range | None, final_ms: int, now_ms: int) -> list[Range]:
    """Return the next ranges of a share whose turn it is: those behind `after`, from the newest on."""
    tenant, device_id, hour_ms = after.place if after else _BEFORE_ALL
    memory.run(
        "next_ranges",
        **share._asdict(),
        final_ms=final_ms,
        quiet_since_ms=now_ms - QUIET_MS,
        waited_since_ms=now_ms - PATIENCE_MS,
        after_tenant=tenant,
        after_device=device_id,
        after_hour_ms=hour_ms,
        batch_size=BATCH_RANGES,
    )
    rows = memory.connection.table("range_batch").order("tenant, device_id, hour_ms").fetchall()
    return [Range(f"{row[0]}/{row[1]}", row[2], Touched(*row[3:])) for row in rows]


def told_sessions(
    memory: Memory, sessions: Table, ranges: Sequence[Range], terms: Mapping[str, DeviceTerms]
) -> dict[str, list[Told]]:
    """Return the highest revisions told around the ranges, by owner and in order of start."""
    margin_ms = max(one.touched.reach_ms + terms[one.owner].offline_after_ms for one in ranges)
    first_ms = min(one.touched.first_ms for one in ranges) - margin_ms
    last_ms = max(one.touched.last_ms for one in ranges) + margin_ms
    names = {one.place[1] for one in ranges}
    memory.give("published_sessions", published_sessions(sessions, names, (first_ms, last_ms + 1)))
    found: dict[str, list[Told]] = defaultdict(list)
    for tenant, device_id, *fields in memory.run("told_sessions").fetchall():
        found[f"{tenant}/{device_id}"].append(Told(*fields))
    return found


def sessions_in(
    memory: Memory, readings: Table, spans: Sequence[tuple[str, Span]], terms: Mapping[str, DeviceTerms]
) -> Iterator[list[Session]]:
    """Yield the sessions of each span from its stored readings; spans are in order of tenant and device."""
    names = {owner.partition("/")[2] for owner, _ in spans}
    times = joined_spans([(span.from_ms, span.to_ms + 1) for _, span in spans])
    memory.give("span", span_table(spans))
    memory.give("stored", counted_readings(readings, names, times))
    found = _by_owner(memory.run("readings_in_spans").to_arrow_reader(_ROWS))
    stored, columns = next(found, _NONE)
    for owner, own in groupby(spans, key=lambda pair: pair[0]):
        here = columns if owner == stored else _NONE[1]
        for _, span in own:
            yield _sessions(here, span, terms[owner])
        if owner == stored:
            stored, columns = next(found, _NONE)


def _sessions(columns: _Columns, span: Span, terms: DeviceTerms) -> list[Session]:
    rows = slice(
        int(np.searchsorted(columns.event_times_ms, span.from_ms)),
        int(np.searchsorted(columns.event_times_ms, span.to_ms, side="right")),
    )
    return sessionize(
        columns.event_times_ms[rows],
        columns.battery[rows],
        columns.signal[rows],
        columns.late[rows],
        terms.offline_after_ms,
        gap_after_ms(terms.expected_interval_ms),
    )


def _by_owner(batches: Iterable[pa.RecordBatch]) -> Iterator[tuple[str, _Columns]]:
    """Gather the rows of each owner; batches are in order of tenant and device, one may go over several."""
    pieces = (piece for batch in batches for piece in _cut(batch))
    for owner, own in groupby(pieces, key=lambda piece: piece[0]):
        columns = zip(*(piece for _, piece in own), strict=True)
        yield owner, _Columns(*(np.concatenate(column) for column in columns))


def _cut(batch: pa.RecordBatch) -> Iterator[tuple[str, _Columns]]:
    tenants, devices, *columns = (column.to_numpy(zero_copy_only=False) for column in batch.columns)
    changes = (tenants[1:] != tenants[:-1]) | (devices[1:] != devices[:-1])
    for begin, end in pairwise([0, *(np.flatnonzero(changes) + 1).tolist(), len(tenants)]):
        if begin < end:
            yield f"{tenants[begin]}/{devices[begin]}", _Columns(*(column[begin:end] for column in columns))


def span_table(spans: Collection[tuple[str, Span]]) -> pa.Table:
    """Return spans of owners as a table for statements."""
    owners = [owner.partition("/") for owner, _ in spans]
    return pa.table(
        {
            "tenant": pa.array([tenant for tenant, _, _ in owners], pa.string()),
            "device_id": pa.array([device_id for _, _, device_id in owners], pa.string()),
            "from_ms": pa.array([span.from_ms for _, span in spans], pa.int64()),
            "to_ms": pa.array([span.to_ms for _, span in spans], pa.int64()),
        }
    )
