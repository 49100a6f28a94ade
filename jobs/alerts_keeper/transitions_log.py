"""The topic `alerts` as the keeper reads it: every partition, from where PostgreSQL says it has come to."""

import logging
import math
from collections.abc import Mapping
from io import BytesIO
from typing import Any, NamedTuple

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition
from fastavro import schemaless_reader

from catalog.alert_transitions import Transition
from millrace.contracts import avro_schema, topics

TOPIC = "alerts"
_MOST_AT_ONCE = 500
_log = logging.getLogger("millrace.alerts")


class Batch(NamedTuple):
    """Transitions in the order of the log, and the next offset to read of each partition they came from."""

    transitions: list[Transition]
    next_offsets: dict[int, int]


class TransitionsLog:
    """Reads all partitions; nothing is committed to Kafka, where it has come to is the keeper's to know."""

    def __init__(self, bootstrap: str, next_offsets: Mapping[int, int]) -> None:
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": "millrace-alerts-keeper",
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "isolation.level": "read_committed",
                "fetch.wait.max.ms": 50,
            }
        )
        self._consumer.assign(
            [
                TopicPartition(TOPIC, partition, next_offsets.get(partition, 0))
                for partition in range(topics()[TOPIC].partitions)
            ]
        )

    def read(self, timeout_s: float) -> Batch:
        """Return what comes within the timeout, or nothing; KafkaException while the log cannot be read."""
        batch = Batch([], {})
        first = self._consumer.poll(timeout_s)
        messages = [] if first is None else [first, *self._consumer.consume(_MOST_AT_ONCE - 1, timeout=0)]
        for message in messages:
            if message.error():
                raise KafkaException(message.error())
            batch.next_offsets[message.partition() or 0] = (message.offset() or 0) + 1
            transition = _transition(message)
            if transition is not None:
                batch.transitions.append(transition)
        return batch

    def close(self) -> None:
        """Leave the topic."""
        self._consumer.close()


def _transition(message: Message) -> Transition | None:
    try:
        return decode(message.value() or b"")
    except (ValueError, EOFError, IndexError, TypeError, KeyError) as error:
        place = f"{message.partition()}-{message.offset()}"
        _log.error("alert_record_unreadable place=%s error=%s", place, error)
        return None


def decode(payload: bytes) -> Transition:
    """Read a record of `alerts`; figures of its evidence are numbers again."""
    fields: Any = schemaless_reader(BytesIO(payload), avro_schema(TOPIC), None)
    return Transition(
        **fields | {"evidence": {name: _figure(text) for name, text in fields["evidence"].items()}}
    )


def _figure(text: str) -> float | str:
    try:
        number = float(text)
    except ValueError:
        # PostgreSQL keeps no NUL in a text.
        return text.replace("\x00", "\\x00")
    return number if math.isfinite(number) else text
