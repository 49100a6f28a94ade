"""The Kafka side of the event clock: where the topic ends, its newest event time, and sending a mark."""

from confluent_kafka import Consumer, Producer, TopicPartition

from jobs.runtime.event_clock import Position
from millrace.contracts import topics
from millrace.reading import Reading, decode, encode

_TIMEOUT_S = 5.0
_LOOK_BACK = 20


class TelemetryEdge:
    """Looks at the end of the telemetry topic and writes marks to `telemetry.clock`."""

    def __init__(self, bootstrap: str) -> None:
        shared = {"bootstrap.servers": bootstrap}
        # The group of the jobs, joined by nobody here: its committed offsets say how far they have read.
        self._consumer = Consumer(shared | {"group.id": "millrace-jobs", "enable.auto.commit": False})
        self._producer = Producer(shared | {"acks": "all"})
        self._partitions = range(topics()["telemetry"].partitions)
        self._newest_at: tuple[int, ...] = ()
        self._newest_ms = 0

    def position(self) -> Position:
        """Look at the topic now; KafkaException while the broker is away."""
        bounds = [self._bounds(partition) for partition in self._partitions]
        ends = tuple(high for _, high in bounds)
        if ends != self._newest_at:
            tails = (self._tail(partition, *bounds[partition]) for partition in self._partitions)
            self._newest_ms = max((reading.event_time for tail in tails for reading in tail), default=0)
            self._newest_at = ends
        lows = [low for low, _ in bounds]
        return Position(ends, self._read_offsets(lows), self._newest_ms)

    def _read_offsets(self, lows: list[int]) -> tuple[int, ...]:
        places = [TopicPartition("telemetry", partition) for partition in self._partitions]
        committed = self._consumer.committed(places, timeout=_TIMEOUT_S)
        # Nothing committed yet is a negative offset; what retention took nobody has to read.
        return tuple(max(place.offset, low) for place, low in zip(committed, lows, strict=True))

    def mark(self, event_time_ms: int, now_ms: int) -> None:
        """Say that event time has come to `event_time_ms`."""
        mark = Reading(
            tenant="",
            device_id="",
            event_id=str(event_time_ms),
            event_time=event_time_ms,
            metrics={},
            received_at=now_ms,
            source="clock",
        )
        self._producer.produce("telemetry.clock", encode(mark))
        self._producer.flush(_TIMEOUT_S)

    def _bounds(self, partition: int) -> tuple[int, int]:
        low, high = self._consumer.get_watermark_offsets(
            TopicPartition("telemetry", partition), timeout=_TIMEOUT_S
        )
        return low, high

    def _tail(self, partition: int, low: int, high: int) -> list[Reading]:
        start = max(low, high - _LOOK_BACK)
        if start == high:
            return []
        self._consumer.assign([TopicPartition("telemetry", partition, start)])
        messages = self._consumer.consume(high - start, timeout=_TIMEOUT_S)
        return [decode(message.value() or b"") for message in messages if not message.error()]
