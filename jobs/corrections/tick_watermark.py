"""How far event time had come for the sessions job: its clock marks up to the log time it has passed.

A tick waits in its shards until they know all that the log held when it was marked (`udfs.held_ticks`). So a
mark counts only once the job has read that far and committed it with a checkpoint.
"""

from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

from confluent_kafka import Consumer, TopicPartition

from jobs.runtime.event_clock import TOLD_BY, Ends, ends_of
from millrace.contracts import topics
from millrace.reading import decode

TOPIC: Final = "telemetry.clock"
READ: Final = "telemetry"
# The group of the sessions job, joined by nobody here: its committed offsets say how far it has read.
GROUP: Final = "millrace-sessions"
# A tick is told at the end of its 1 s pane of log time.
PANE_MS: Final = 2_000
_TIMEOUT_S: Final = 5.0
_MOST_MARKS: Final = 360


class Mark(NamedTuple):
    """A clock mark: how far event time may be, when the log took it, and where `telemetry` ended before."""

    event_time_ms: int
    log_time_ms: int
    ends: Ends = ()


class ClockLook(NamedTuple):
    """The newest mark, None before the first, and up to which offset each partition is read for good."""

    newest: Mark | None
    read: dict[int, int]


class NewestMark:
    """Looks at the newest mark and at how far the job has read; KafkaException while the broker is away."""

    def __init__(self, bootstrap: str) -> None:
        self._consumer = Consumer(
            {"bootstrap.servers": bootstrap, "group.id": GROUP, "enable.auto.commit": False}
        )
        self._places = [TopicPartition(READ, partition) for partition in range(topics()[READ].partitions)]

    def __call__(self) -> ClockLook:
        """Look now."""
        # How far it has read comes last: the mark may only be older than that.
        return ClockLook(self._newest(), self._read())

    def _read(self) -> dict[int, int]:
        # Nothing committed yet is a negative offset: nothing of such a partition is known for good.
        committed = self._consumer.committed(self._places, timeout=_TIMEOUT_S)
        return {place.partition: place.offset for place in committed}

    def _newest(self) -> Mark | None:
        place = TopicPartition(TOPIC, TOLD_BY)
        low, high = self._consumer.get_watermark_offsets(place, timeout=_TIMEOUT_S)
        if high <= low:
            return None
        self._consumer.assign([TopicPartition(TOPIC, TOLD_BY, high - 1)])
        message = self._consumer.poll(_TIMEOUT_S)
        if message is None or message.error():
            return None
        reading = decode(message.value() or b"")
        ends = ends_of((reading.attributes or {}).get("ends", ""))
        return Mark(reading.event_time, message.timestamp()[1], ends)


class TickWatermark:
    """Turns the sessions job's watermark, which is log time, into event time."""

    def __init__(self, look: Callable[[], ClockLook], out_of_orderness_ms: int) -> None:
        self._look = look
        self._out_of_orderness_ms = out_of_orderness_ms
        self._marks: deque[Mark] = deque(maxlen=_MOST_MARKS)

    def event_time_ms(self, log_watermark_ms: int) -> int:
        """Return the event-time watermark of the newest tick surely told; -1 when none is known."""
        mark, read = self._look()
        if mark is not None and (not self._marks or mark != self._marks[-1]):
            self._marks.append(mark)
        told = [
            one
            for one in self._marks
            if one.log_time_ms + PANE_MS <= log_watermark_ms and _is_read(one.ends, read)
        ]
        return told[-1].event_time_ms - self._out_of_orderness_ms if told else -1


def _is_read(ends: Ends, read: dict[int, int]) -> bool:
    return all(end <= read.get(partition, 0) for partition, end in ends)
