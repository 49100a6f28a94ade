"""One pass of the publisher: what changed goes to Kafka, and only then is remembered as published.

A crash in between publishes the same contexts again, which changes nothing: the newest wins.
"""

from collections.abc import Iterable

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from psycopg import Connection

from catalog.registry import Context, Progress, changes_since, keep_progress, progress_of
from jobs.contexts.record import TOPIC, record
from millrace.contracts import topics
from millrace.reading import encode

MOST_AT_ONCE = 10_000
_TIMEOUT_S = 10.0
# Less than we wait for: after it a record is answered for, and can no longer arrive behind a newer one.
_GIVE_UP_MS = 10_000
_FLUSH_S = 15.0
# Without changes the time is kept once a minute: it only saves looking at windows that ended long ago.
_KEEP_TIME_EVERY_MS = 60_000


class ContextLog:
    """The topic `device-context`."""

    def __init__(self, bootstrap: str) -> None:
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
        consumer = Consumer(self._brokers | {"group.id": "millrace-contexts", "enable.auto.commit": False})
        try:
            places = [TopicPartition(TOPIC, partition) for partition in range(topics()[TOPIC].partitions)]
            return not any(consumer.get_watermark_offsets(place, timeout=_TIMEOUT_S)[1] for place in places)
        finally:
            consumer.close()

    def publish(self, contexts: Iterable[Context], now_ms: int) -> None:
        """Write contexts and wait until Kafka has all of them; KafkaException when it does not."""
        refused: list[KafkaError] = []

        def answered(error: KafkaError | None, _message: object) -> None:
            if error is not None:
                refused.append(error)

        for context in contexts:
            reading = record(context, now_ms)
            self._producer.produce(TOPIC, encode(reading), reading.key, on_delivery=answered)
        if self._producer.flush(_FLUSH_S):
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
        if refused:
            raise KafkaException(refused[0])


def publish_changes(connection: Connection, log: ContextLog, now_ms: int) -> int:
    """Publish what changed since the last pass; return how many contexts that was."""
    published = 0
    complete = False
    while not complete:
        with connection.transaction():
            since = progress_of(connection, TOPIC)
            changes = changes_since(connection, since, now_ms, MOST_AT_ONCE)
            log.publish(changes.contexts, now_ms)
            if changes.contexts or now_ms - since.at_ms > _KEEP_TIME_EVERY_MS:
                keep_progress(connection, TOPIC, changes.progress)
        published += len(changes.contexts)
        complete = changes.complete
    return published


def begin(connection: Connection, log: ContextLog) -> None:
    """Start from the first change again when the topic holds nothing, whatever PostgreSQL remembers."""
    if log.is_empty():
        with connection.transaction():
            keep_progress(connection, TOPIC, Progress())
