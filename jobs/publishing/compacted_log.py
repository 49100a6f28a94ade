"""A compacted topic of Readings, as its only writer sees it."""

from collections.abc import Iterable

from confluent_kafka import Consumer, TopicPartition

from jobs.publishing.acknowledged_log import AcknowledgedLog
from millrace.contracts import topics
from millrace.reading import Reading, encode

_TIMEOUT_S = 10.0


class CompactedLog:
    """Writes to one topic; its connection is made at the first write."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        self.topic = topic
        self._bootstrap = bootstrap
        self._log = AcknowledgedLog(bootstrap, topic)

    def is_empty(self) -> bool:
        """Tell whether nothing was ever published; KafkaException while the broker is away."""
        group = {"group.id": f"millrace-publisher-{self.topic}", "enable.auto.commit": False}
        consumer = Consumer({"bootstrap.servers": self._bootstrap} | group)
        try:
            places = [TopicPartition(self.topic, p) for p in range(topics()[self.topic].partitions)]
            return not any(consumer.get_watermark_offsets(place, timeout=_TIMEOUT_S)[1] for place in places)
        finally:
            consumer.close()

    def publish(self, readings: Iterable[Reading]) -> None:
        """Write records and wait until Kafka has all of them; KafkaException when it does not."""
        self._log.write((reading.key, encode(reading)) for reading in readings)
