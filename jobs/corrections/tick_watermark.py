"""How far event time had come for the sessions job: its clock marks up to the log time it has passed."""

from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

from confluent_kafka import Consumer, TopicPartition

from jobs.runtime.event_clock import TOLD_BY
from millrace.reading import decode

TOPIC: Final = "telemetry.clock"
# A tick is told at the end of its 1 s pane of log time.
PANE_MS: Final = 2_000
_TIMEOUT_S: Final = 5.0
_MOST_MARKS: Final = 360


class Mark(NamedTuple):
    """A clock mark: how far event time may be, and when the log took it."""

    event_time_ms: int
    log_time_ms: int


class NewestMark:
    """Reads the newest mark of the topic; KafkaException while the broker is away."""

    def __init__(self, bootstrap: str) -> None:
        self._consumer = Consumer(
            {"bootstrap.servers": bootstrap, "group.id": "millrace-corrector", "enable.auto.commit": False}
        )

    def __call__(self) -> Mark | None:
        """Return the newest mark, or None before the first."""
        place = TopicPartition(TOPIC, TOLD_BY)
        low, high = self._consumer.get_watermark_offsets(place, timeout=_TIMEOUT_S)
        if high <= low:
            return None
        self._consumer.assign([TopicPartition(TOPIC, TOLD_BY, high - 1)])
        message = self._consumer.poll(_TIMEOUT_S)
        if message is None or message.error():
            return None
        return Mark(decode(message.value() or b"").event_time, message.timestamp()[1])


class TickWatermark:
    """Turns the sessions job's watermark, which is log time, into event time."""

    def __init__(self, newest: Callable[[], Mark | None], out_of_orderness_ms: int) -> None:
        self._newest = newest
        self._out_of_orderness_ms = out_of_orderness_ms
        self._marks: deque[Mark] = deque(maxlen=_MOST_MARKS)

    def event_time_ms(self, log_watermark_ms: int) -> int:
        """Return the event-time watermark of the newest tick surely told; -1 when none is known."""
        mark = self._newest()
        if mark is not None and (not self._marks or mark != self._marks[-1]):
            self._marks.append(mark)
        told = [one for one in self._marks if one.log_time_ms + PANE_MS <= log_watermark_ms]
        return told[-1].event_time_ms - self._out_of_orderness_ms if told else -1
