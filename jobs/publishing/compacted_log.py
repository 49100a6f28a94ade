"""A compacted topic of Readings, as its only writer sees it."""

from collections.abc import Iterable

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from millrace.contracts import topics
from millrace.reading import Reading, encode

_TIMEOUT_S = 10.0
# Less than we wait for: after it a record is answered for, and can no longer arrive behind a newer one.
_GIVE_UP_MS = 10_000
_FLUSH_S = 15.0


class CompactedLog:
    """Writes to one topic; its connection is made at the first write."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        self.topic = topic
        self._brokers = {"bootstrap.servers": bootstrap}
        self._producer = Producer(
            self._brokers
            | {
                "acks": "all",
                "enable.idempotence": True,
                "linger.ms": 5,
                "partitioner": "murmur2_random",
                "message.timeout.ms": _GIVE_UP_MS,
                "allow.auto.create.topics": False,
            }
        )

    def is_empty(self) -> bool:
        """Tell whether nothing was ever published; KafkaException while the broker is away."""
        group = {"group.id": f"millrace-publisher-{self.topic}", "enable.auto.commit": False}
        consumer = Consumer(self._brokers | group)
        try:
            places = [TopicPartition(self.topic, p) for p in range(topics()[self.topic].partitions)]
            return not any(consumer.get_watermark_offsets(place, timeout=_TIMEOUT_S)[1] for place in places)
        finally:
            consumer.close()

    def publish(self, readings: Iterable[Reading]) -> None:
        """Write records and wait until Kafka has all of them; KafkaException when it does not."""
        refused: list[KafkaError] = []

        def answered(error: KafkaError | None, _message: object) -> None:
            if error is not None:
                refused.append(error)

        for reading in readings:
            self._producer.produce(self.topic, encode(reading), reading.key, on_delivery=answered)
        if self._producer.flush(_FLUSH_S):
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
        if refused:
            raise KafkaException(refused[0])
