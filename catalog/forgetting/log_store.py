"""Forgets a device in Kafka: tombstones on compacted topics; of the others, when time will have done it."""

from typing import Final, NamedTuple

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from catalog.forgetting.owner import Owner
from millrace.contracts import Topic, topics

# Compacted topics whose key is a device; the key of `rules` is a rule, which may have a device's name.
DEVICE_TOPICS: Final = ("device-context",)
_HOUR_MS: Final = 3_600_000
_GIVE_UP_MS: Final = 10_000
_FLUSH_S: Final = 15.0


class Tombstone(NamedTuple):
    """A record without a value, with which compaction removes all others of its key."""

    topic: str
    partition: int
    offset: int


class Kept(NamedTuple):
    """A topic that keeps records of the device until then (UTC ms) at the latest."""

    topic: str
    until_ms: int


class LogForgotten(NamedTuple):
    """Tombstones that were written, and topics that still hold records for a while."""

    tombstones: tuple[Tombstone, ...]
    kept: tuple[Kept, ...]


def forget_in_log(bootstrap: str, owner: Owner, now_ms: int) -> LogForgotten:
    """Write tombstones and wait until Kafka has them; KafkaException when it does not take them."""
    written: list[Tombstone] = []
    errors: list[KafkaError] = []

    def answered(error: KafkaError | None, message: Message) -> None:
        if error is not None:
            errors.append(error)
        else:
            place = (int(message.partition() or 0), int(message.offset() or 0))
            written.append(Tombstone(str(message.topic()), *place))

    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "acks": "all",
            "enable.idempotence": True,
            "partitioner": "murmur2_random",
            "message.timeout.ms": _GIVE_UP_MS,
            "allow.auto.create.topics": False,
        }
    )
    for topic in DEVICE_TOPICS:
        producer.produce(topic, None, owner.key.encode(), on_delivery=answered)
    if producer.flush(_FLUSH_S) or errors:
        raise KafkaException(errors[0] if errors else KafkaError(KafkaError._TIMED_OUT))
    kept = (Kept(one.name, now_ms + one.retention_hours * _HOUR_MS) for one in _timed())
    return LogForgotten(tuple(written), tuple(kept))


def _timed() -> list[Topic]:
    return [one for one in topics().values() if one.cleanup == "delete" and one.key == "tenant/device_id"]
