"""What judging late readings reads: hours and runs whose turn it is, and readings around them."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, pairwise
from operator import attrgetter
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
from pyiceberg.table import Table

from catalog.filters import joined_spans
from jobs.corrections.lake_reads import counted_readings
from jobs.corrections.memory import Memory
from jobs.corrections.session_reads import PATIENCE_MS, QUIET_MS, span_table
from jobs.corrections.shares import Share
from udfs.rules.columns import readings_of
from udfs.rules.reading import RuleReading, order
from udfs.session_corrections import Span

HOUR_MS: Final = 3_600_000
BATCH_RUNS: Final = 1_000
_ROWS: Final = 100_000


class Hour(NamedTuple):
    """An hour of event time in which readings of a device (`tenant/device_id`) came late; what they carry.

    `far` is how often it was looked further back: what was nearer did not tell how they found the device.
    """

    owner: str
    hour_ms: int
    metrics: tuple[str, ...]
    located: bool
    far: int

    @property
    def end_ms(self) -> int:
        """The last millisecond of the hour."""
        return self.hour_ms + HOUR_MS - 1


class FollowedRun(NamedTuple):
    """A rule's run on a device in which what came late until `last_ms` still has an effect.

    It was judged from `from_ms` until `until_ms`, and has its turn again when event time has passed
    `not_before_ms`. `form` is the fingerprint of the condition, `kept` what the run remembers.
    """

    owner: str
    rule: str
    form: int
    from_ms: int
    last_ms: int
    until_ms: int
    not_before_ms: int
    kept: bytes


class Judged(NamedTuple):
    """A reading, and whether it is one of the late ones."""

    reading: RuleReading
    late: bool


def due_hours(memory: Memory, share: Share, most_hours: int, final_ms: int, now_ms: int) -> list[Hour]:
    """Return the newest hours of a share whose turn it is; those of a device follow each other."""
    memory.run(
        "next_hours",
        **share._asdict(),
        final_ms=final_ms,
        quiet_since_ms=now_ms - QUIET_MS,
        waited_since_ms=now_ms - PATIENCE_MS,
        batch_size=most_hours,
    )
    columns = "tenant, device_id, hour_ms, metrics, located, far"
    rows = memory.connection.table("hour_batch").project(columns).fetchall()
    return [
        Hour(f"{tenant}/{device_id}", hour_ms, tuple(metrics), located, far)
        for tenant, device_id, hour_ms, metrics, located, far in rows
    ]


def due_runs(memory: Memory, share: Share, final_ms: int) -> list[FollowedRun]:
    """Return the next runs of a share whose turn it is."""
    memory.run("next_runs", **share._asdict(), final_ms=final_ms, batch_size=BATCH_RUNS)
    columns = "tenant, device_id, rule, form, from_ms, last_ms, until_ms, not_before_ms, kept"
    rows = memory.connection.table("run_batch").project(columns).fetchall()
    return [FollowedRun(f"{row[0]}/{row[1]}", *row[2:]) for row in rows]


def judged_readings(
    memory: Memory, readings: Table, spans: Sequence[tuple[str, Span]], metrics: Sequence[str]
) -> Iterator[tuple[str, Iterator[Judged]]]:
    """Yield the readings of each owner's span in order, with these metrics of them; equal ones come once.

    Owners of whom nothing is there are left out. Late is what came so in an hour of the batch.
    """
    names = {owner.partition("/")[2] for owner, _ in spans}
    times = joined_spans([(span.from_ms, span.to_ms + 1) for _, span in spans])
    memory.give("span", span_table(spans))
    memory.give("stored", counted_readings(readings, names, times, ("location",)))
    batches = memory.run("judged_readings", metric_names=list(metrics) or [""]).to_arrow_reader(_ROWS)
    pieces = (piece for batch in batches for piece in _cut(batch, metrics))
    for owner, own in groupby(pieces, key=lambda piece: piece[0]):
        yield owner, _once(judged for _, rows in own for judged in rows)


def _cut(batch: pa.RecordBatch, metrics: Sequence[str]) -> Iterator[tuple[str, list[Judged]]]:
    tenants, devices = (batch.column(place).to_numpy(zero_copy_only=False) for place in range(2))
    changes = (tenants[1:] != tenants[:-1]) | (devices[1:] != devices[:-1])
    for begin, end in pairwise([0, *(np.flatnonzero(changes) + 1).tolist(), len(tenants)]):
        if begin < end:
            yield f"{tenants[begin]}/{devices[begin]}", _judged(batch.slice(begin, end - begin), metrics)


def _judged(rows: pa.RecordBatch, metrics: Sequence[str]) -> list[Judged]:
    times_ms, figures, lat, lon, late = (rows.column(place) for place in range(2, 7))
    flat = figures.flatten().to_pylist()
    columns = {name: flat[place :: len(metrics)] for place, name in enumerate(metrics)}
    found = readings_of(times_ms.to_pylist(), columns, (lat.to_pylist(), lon.to_pylist()))
    return [Judged(*pair) for pair in zip(found, late.to_pylist(), strict=True)]


def _once(judged: Iterable[Judged]) -> Iterator[Judged]:
    """Put readings of one time into their order; one that came in time and late came in time."""
    for _, group in groupby(judged, key=attrgetter("reading.event_time_ms")):
        first, *others = group
        if not others:
            yield first
            continue
        before: RuleReading | None = None
        for one in sorted((first, *others), key=lambda one: (order(one.reading), one.late)):
            if one.reading != before:
                yield one
            before = one.reading
