"""A compacted topic of Readings, as its only writer sees it."""

from collections.abc import Iterable

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

from jobs.publishing.acknowledged_log import AcknowledgedLog
from millrace.contracts import topics
from millrace.reading import MARK_KEY, Reading, encode

_TIMEOUT_S = 10.0


class CompactedLog:
    """Writes to one topic; its connection is made at the first write."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        self.topic = topic
        self._bootstrap = bootstrap
        self._log = AcknowledgedLog(bootstrap, topic)

    def is_empty(self) -> bool:
        """Tell whether nothing was ever published; KafkaException while the broker is away."""
        group = {
            "group.id": f"millrace-publisher-{self.topic}",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
        }
        consumer = Consumer({"bootstrap.servers": self._bootstrap} | group)
        try:
            places = [TopicPartition(self.topic, p) for p in range(topics()[self.topic].partitions)]
            return not any(_holds_records(consumer, place) for place in places)
        finally:
            consumer.close()

    def publish(self, readings: Iterable[Reading]) -> None:
        """Write records and wait until Kafka has all of them; KafkaException when it does not."""
        self._log.write((reading.key, encode(reading)) for reading in readings)


def _holds_records(consumer: Consumer, place: TopicPartition) -> bool:
    """Tell whether a partition holds more than marks of the clock, which are nobody's."""
    consumer.assign([TopicPartition(place.topic, place.partition, OFFSET_BEGINNING)])
    while True:
        message = consumer.poll(_TIMEOUT_S)
        if message is None:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
        error = message.error()
        if error is not None:
            if error.code() == KafkaError._PARTITION_EOF:
                return False
            raise KafkaException(error)
        if message.key() != MARK_KEY:
            return True
