"""The Kafka side of the event clock: where the topic ends, its newest event time, and the marks."""

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from jobs.runtime.event_clock import Mark, Position, ends_text
from millrace.contracts import topics
from millrace.reading import MARK_KEY, Reading, decode, encode

_TIMEOUT_S = 5.0
_LOOK_BACK = 20
_MARKS = "telemetry.clock"
# A mark that waits would be a lie when it arrives: the pause it waited in is not in it.
_GIVE_UP_MS = 2_000


def known_event_time_ms(reading: Reading) -> int:
    """Return a reading's event time, or when it was received if its clock runs ahead."""
    return min(reading.event_time, reading.received_at)


class TelemetryEdge:
    """Looks at the end of the telemetry topic and writes marks to the clock and what else is marked."""

    def __init__(self, bootstrap: str) -> None:
        shared = {"bootstrap.servers": bootstrap}
        # The group of the jobs, joined by nobody here: its committed offsets say how far they have read.
        self._consumer = Consumer(
            shared | {"group.id": "millrace-jobs", "enable.auto.commit": False, "fetch.wait.max.ms": 20}
        )
        self._producer = Producer(shared | {"acks": "all", "message.timeout.ms": _GIVE_UP_MS})
        self._partitions = range(topics()["telemetry"].partitions)
        self._marked = [
            (topic.name, partition)
            for topic in topics().values()
            if topic.marked
            for partition in range(topic.partitions)
        ]
        self._newest_at: tuple[int, ...] = ()
        self._newest_ms = 0

    def position(self) -> Position:
        """Look at the topic now; KafkaException while the broker is away."""
        bounds = [self._bounds(partition) for partition in self._partitions]
        ends = tuple(high for _, high in bounds)
        if ends != self._newest_at:
            tails = (self._tail(partition, *bounds[partition]) for partition in self._partitions)
            self._newest_ms = max((known_event_time_ms(r) for tail in tails for r in tail), default=0)
            self._newest_at = ends
        lows = [low for low, _ in bounds]
        held = tuple((partition, high) for partition, (low, high) in enumerate(bounds) if high > low)
        return Position(ends, self._read_offsets(lows), self._newest_ms, held)

    def _read_offsets(self, lows: list[int]) -> tuple[int, ...]:
        places = [TopicPartition("telemetry", partition) for partition in self._partitions]
        committed = self._consumer.committed(places, timeout=_TIMEOUT_S)
        # Nothing committed yet is a negative offset; what retention took nobody has to read.
        return tuple(max(place.offset, low) for place, low in zip(committed, lows, strict=True))

    def clocks(self) -> list[int]:
        """Return the partitions of the clock; KafkaException while the broker is away."""
        return _clocks_of(self._producer)

    def last_mark(self) -> Mark | None:
        """Return how far the newest marks of all partitions have come, or None when there are none.

        Where the topic ended then is of no use any more and is not said.
        """
        found = [mark for clock in _clocks_of(self._consumer) for mark in self._newest_mark(clock)]
        # A mark that did not reach every partition counts as well, so that time goes back on none.
        return Mark(*map(max, zip(*found, strict=True))) if found else None

    def _newest_mark(self, clock: int) -> list[Mark]:
        low, high = self._bounds(clock, _MARKS)
        if low == high:
            return []
        found = self._read(_MARKS, clock, high - 1, 1)
        if not found:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
        paused_ms = int((found[0].attributes or {}).get("paused_ms", 0))
        return [Mark(found[0].event_time, found[0].received_at, paused_ms)]

    def mark(self, mark: Mark, clocks: list[int]) -> None:
        """Write a mark to these partitions of the clock and to topics that are marked too.

        KafkaException when the broker does not take it.
        """
        refused: list[KafkaError] = []

        def answered(error: KafkaError | None, _message: object) -> None:
            if error is not None:
                refused.append(error)

        text = encode(_as_reading(mark))
        for clock in clocks:
            self._producer.produce(_MARKS, text, partition=clock, on_delivery=answered)
        for topic, partition in self._marked:
            self._producer.produce(topic, text, MARK_KEY, partition=partition, on_delivery=answered)
        if self._producer.flush(_TIMEOUT_S) or refused:
            raise KafkaException(*refused or [KafkaError(KafkaError._TIMED_OUT)])

    def _bounds(self, partition: int, topic: str = "telemetry") -> tuple[int, int]:
        low, high = self._consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=_TIMEOUT_S)
        return low, high

    def _tail(self, partition: int, low: int, high: int) -> list[Reading]:
        start = max(low, high - _LOOK_BACK)
        return self._read("telemetry", partition, start, high - start)

    def _read(self, topic: str, partition: int, start: int, count: int) -> list[Reading]:
        if not count:
            return []
        self._consumer.assign([TopicPartition(topic, partition, start)])
        messages = self._consumer.consume(count, timeout=_TIMEOUT_S)
        # A fetch that waits for more would hold up every later question on the same connection.
        self._consumer.unassign()
        return [decode(message.value() or b"") for message in messages if not message.error()]


def _clocks_of(client: Consumer | Producer) -> list[int]:
    # Each is asked for itself: one that does not ask learns of new partitions minutes later.
    found = client.list_topics(_MARKS, timeout=_TIMEOUT_S).topics[_MARKS]
    if found.error:
        raise KafkaException(found.error)
    return sorted(found.partitions)


def _as_reading(mark: Mark) -> Reading:
    return Reading(
        tenant="",
        device_id="",
        event_id=str(mark.event_time_ms),
        event_time=mark.event_time_ms,
        metrics={},
        attributes={"paused_ms": str(mark.paused_ms), "ends": ends_text(mark.ends)},
        received_at=mark.marked_at_ms,
        source="clock",
    )
