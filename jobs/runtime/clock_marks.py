"""The Kafka side of the idle clock: end offsets, the newest event time, and sending a mark."""

from confluent_kafka import Consumer, Producer, TopicPartition

from millrace.contracts import topics
from millrace.reading import Reading, decode, encode

_TIMEOUT_S = 5.0
_LOOK_BACK = 50


class TelemetryEdge:
    """Looks at the end of the telemetry topic and writes marks to `telemetry.clock`."""

    def __init__(self, bootstrap: str) -> None:
        shared = {"bootstrap.servers": bootstrap}
        # The group of the jobs, joined by nobody here: its committed offsets say how far they have read.
        self._consumer = Consumer(shared | {"group.id": "millrace-jobs", "enable.auto.commit": False})
        self._producer = Producer(shared | {"acks": "all"})
        self._partitions = range(topics()["telemetry"].partitions)

    def end_offsets(self) -> tuple[int, ...]:
        """Return the end offset of each partition."""
        return tuple(self._bounds(partition)[1] for partition in self._partitions)

    def read_offsets(self) -> tuple[int, ...]:
        """Return where the jobs stood in each partition at their last checkpoint."""
        places = [TopicPartition("telemetry", partition) for partition in self._partitions]
        committed = self._consumer.committed(places, timeout=_TIMEOUT_S)
        return tuple(max(place.offset, 0) for place in committed)

    def newest_event_time_ms(self) -> int | None:
        """Return the newest event time among the last messages of each partition."""
        tails = (self._tail(partition) for partition in self._partitions)
        times = [reading.event_time for tail in tails for reading in tail]
        return max(times, default=None)

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

    def _tail(self, partition: int) -> list[Reading]:
        low, high = self._bounds(partition)
        start = max(low, high - _LOOK_BACK)
        if start == high:
            return []
        self._consumer.assign([TopicPartition("telemetry", partition, start)])
        messages = self._consumer.consume(high - start, timeout=_TIMEOUT_S)
        return [decode(message.value() or b"") for message in messages if not message.error()]
