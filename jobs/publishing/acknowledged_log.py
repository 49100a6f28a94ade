"""A topic as one writes to it who must know that Kafka has everything."""

from collections.abc import Iterable
from typing import Final

from confluent_kafka import KafkaError, KafkaException, Producer

# Less than we wait for: after it a record is answered for, and can no longer arrive behind a newer one.
_GIVE_UP_MS: Final = 10_000
_FLUSH_S: Final = 15.0


class AcknowledgedLog:
    """Writes to one topic, records of a key in order; its connection is made at the first write."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        self.topic = topic
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "acks": "all",
                "enable.idempotence": True,
                "linger.ms": 5,
                "partitioner": "murmur2_random",
                "message.timeout.ms": _GIVE_UP_MS,
                "allow.auto.create.topics": False,
            }
        )

    def write(self, records: Iterable[tuple[bytes, bytes]]) -> None:
        """Write records (key, value) and wait until Kafka has all of them; KafkaException when not."""
        refused: list[KafkaError] = []

        def answered(error: KafkaError | None, _message: object) -> None:
            if error is not None:
                refused.append(error)

        for key, value in records:
            self._producer.produce(self.topic, value, key, on_delivery=answered)
        if self._producer.flush(_FLUSH_S):
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
        if refused:
            raise KafkaException(refused[0])
