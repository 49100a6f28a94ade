"""What goes wrong between devices and the stream, seeded: repeats, disorder, lateness, broken messages.

Messages come in chunks of event time. Those of `late` may be sent only once the stream's watermark
has passed `late_until_ms`: then each of them is late, by no more than `Faults.late_ms`.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from random import Random
from typing import NamedTuple

import msgspec

from bench.broken_messages import KINDS, Kind
from ingest.replay.message import Body
from ingest.replay.rows import Record

HOUR_MS = 3_600_000
# The newest readings of a chunk must be on time, or its watermark would not come.
_ON_TIME_MS = 20_000
_MOST_LATE_OF_ELIGIBLE = 0.8
_REPEAT_WITHIN = 500


class Faults(NamedTuple):
    """Shares of all messages, and how far out of order and how late they may be."""

    seed: int = 7
    duplicated: float = 0.10
    out_of_order: float = 0.20
    late: float = 0.05
    malformed: float = 0.01
    out_of_order_ms: int = 30_000
    late_ms: int = 6 * HOUR_MS

    @property
    def out_of_order_of_the_rest(self) -> float:
        """The share among messages that are neither late nor broken."""
        return self.out_of_order / (1 - self.late - self.malformed)

    @property
    def longest_chunk_ms(self) -> int:
        """The longest chunk of which the late share can be late by no more than `late_ms`."""
        return int(self.late_ms * _MOST_LATE_OF_ELIGIBLE / self.late)


class Sent(NamedTuple):
    """One message as it goes out; `copy` counts from 0, `broken` names how it is wrong and why refused."""

    device_id: str
    event_id: str
    event_time_ms: int
    payload: bytes
    kind: str
    copy: int = 0
    broken: str | None = None
    reason: str | None = None


class Chunk(NamedTuple):
    """A stretch of event time: what flows, what comes late, and what the watermark must pass before."""

    flowing: list[Sent]
    late: list[Sent]
    late_until_ms: int


class _Row(NamedTuple):
    device_id: str
    event_id: str
    time_ms: int
    body: Body


class Disorder:
    """Turns a recording into chunks; the same seed and recording give the same messages."""

    def __init__(self, faults: Faults, prefix: str, tag: str, time_at: Callable[[int], int]) -> None:
        self._faults = faults
        self._prefix = prefix
        self._tag = tag
        self._time_at = time_at
        self._random = Random(faults.seed)
        self._late_owed = 0.0
        self._broken = 0

    def chunks(self, records: Iterable[Record], chunk_ms: int) -> Iterator[Chunk]:
        """Yield the chunks in order of event time; records come in that order."""
        rows = (self._row(record) for record in records if record.metrics)
        for _, group in groupby(rows, key=lambda row: row.time_ms // chunk_ms):
            yield self._chunk(list(group))

    def _row(self, record: Record) -> _Row:
        device_id, time_ms = self._prefix + record.device_id, self._time_at(record.time_ms)
        event_id = f"{record.label}:{record.row}{self._tag}"
        body = Body(
            event_id=event_id,
            event_time=time_ms,
            metrics=record.metrics,
            location=record.location,
            attributes=record.attributes,
        )
        return _Row(device_id, event_id, time_ms, body)

    def _chunk(self, rows: list[_Row]) -> Chunk:
        broken = {place for place in range(len(rows)) if self._random.random() < self._faults.malformed}
        newest = _newest_by_device(row for place, row in enumerate(rows) if place not in broken)
        late = self._choose_late(rows, broken, newest)
        flowing: list[tuple[float, Sent]] = []
        held: list[tuple[float, Sent]] = []
        for place, row in enumerate(rows):
            sent = self._sent(row, place in broken, place in late, newest)
            (held if place in late else flowing).append((place, sent))
            if sent.kind != "malformed" and self._random.random() < self._faults.duplicated:
                again = place + self._random.uniform(0.5, _REPEAT_WITHIN)
                (held if place in late or again > len(rows) else flowing).append(
                    (again, sent._replace(copy=1))
                )
        until_ms = max((rows[place].time_ms for place in late), default=0)
        return Chunk(_in_order(flowing), _in_order(held), until_ms)

    def _choose_late(self, rows: list[_Row], broken: set[int], newest: dict[str, int]) -> set[int]:
        self._late_owed += self._faults.late * len(rows)
        if not newest:
            return set()
        # The watermark is that of the slowest partition, so that of the slowest device at worst.
        until_ms = min(newest.values()) - self._faults.out_of_order_ms - _ON_TIME_MS
        since_ms = max(newest.values()) - self._faults.late_ms
        eligible = [
            place
            for place, row in enumerate(rows)
            if since_ms <= row.time_ms <= until_ms and place not in broken
        ]
        wanted = min(int(self._late_owed), int(len(eligible) * _MOST_LATE_OF_ELIGIBLE))
        self._late_owed -= wanted
        return set(self._random.sample(eligible, wanted))

    def _sent(self, row: _Row, broken: bool, late: bool, newest: dict[str, int]) -> Sent:
        if broken:
            self._broken += 1
            return _broken_message(row, KINDS[self._broken % len(KINDS)])
        last = row.time_ms == newest[row.device_id]
        if not late and not last and self._random.random() < self._faults.out_of_order_of_the_rest:
            behind_ms = self._random.randint(1, self._faults.out_of_order_ms)
            row = row._replace(time_ms=row.time_ms - behind_ms)
            return _message(row, "out_of_order")
        return _message(row, "late" if late else "plain")


def _newest_by_device(rows: Iterable[_Row]) -> dict[str, int]:
    newest: defaultdict[str, int] = defaultdict(int)
    for row in rows:
        newest[row.device_id] = max(newest[row.device_id], row.time_ms)
    return dict(newest)


def _in_order(placed: list[tuple[float, Sent]]) -> list[Sent]:
    return [sent for _, sent in sorted(placed, key=lambda pair: pair[0])]


def _message(row: _Row, kind: str) -> Sent:
    body = msgspec.structs.replace(row.body, event_time=row.time_ms)
    return Sent(row.device_id, row.event_id, row.time_ms, msgspec.json.encode(body), kind)


def _broken_message(row: _Row, kind: Kind) -> Sent:
    body = {"event_id": row.event_id, "event_time": row.time_ms, "metrics": row.body.metrics}
    return Sent(
        row.device_id,
        row.event_id,
        row.time_ms,
        kind.spoil(body),
        "malformed",
        broken=kind.name,
        reason=kind.reason,
    )


def sentinels(prefix: str, event_time_ms: int, count: int = 16) -> list[Sent]:
    """Return readings whose event time moves the watermark of every partition.

    Their device ids do not begin with the prefix: they are no part of the trial.
    """
    payload = msgspec.json.encode(Body(event_id="end", event_time=event_time_ms, metrics={"end": 1.0}))
    names = (f"end-{prefix}{number:02d}" for number in range(count))
    return [Sent(name, "end", event_time_ms, payload, "sentinel") for name in names]
