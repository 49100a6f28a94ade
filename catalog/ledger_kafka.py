"""Kafka's side of the ledger: where topics end, what gateways told, and what lies at an offset."""

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any, NamedTuple

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition
from fastavro import schemaless_reader

from millrace.contracts import avro_schema
from millrace.errors import MillraceError

ACCOUNTS = "gateway-accounts"
CLOCK = "telemetry.clock"
_TIMEOUT_S = 10.0
_BATCH = 2_000


class Record(NamedTuple):
    """One message as its Avro fields, and where it lies."""

    partition: int
    offset: int
    fields: dict[str, Any]


class LedgerLog:
    """Reads topics without being a member of any group."""

    def __init__(self, bootstrap: str) -> None:
        # A fetch that waits for news holds up every other question on its connection.
        config = {"bootstrap.servers": bootstrap, "group.id": "millrace-ledger", "fetch.wait.max.ms": 5}
        self._consumer = Consumer(config | {"enable.auto.commit": False})

    def close(self) -> None:
        """Leave the broker."""
        self._consumer.close()

    def ends(self, topic: str) -> dict[int, int]:
        """Return by partition how many messages Kafka ever acknowledged; nothing for an unknown topic."""
        partitions = self._consumer.list_topics(topic, timeout=_TIMEOUT_S).topics[topic].partitions
        return {number: self._bounds(topic, number)[1] for number in sorted(partitions)}

    def read(self, topic: str, partition: int, first: int, end: int) -> Iterator[Record]:
        """Yield what Kafka still has of offsets [first, end)."""
        low, high = self._bounds(topic, partition)
        position, end = max(first, low), min(end, high)
        schema = avro_schema(topic)
        self._consumer.assign([TopicPartition(topic, partition, position)])
        while position < end:
            # `consume` waits until it has as many as asked for.
            for message in self._consume(min(_BATCH, end - position)):
                position = int(message.offset() or 0) + 1
                fields: Any = schemaless_reader(BytesIO(message.value() or b""), schema, None)
                yield Record(partition, position - 1, fields)
        self._consumer.unassign()

    def accounts(self, first: int) -> Iterator[Record]:
        """Yield the gateways' accounts from an offset to the end of the topic now."""
        for partition, end in self.ends(ACCOUNTS).items():
            yield from self.read(ACCOUNTS, partition, first, end)

    def clock_mark_ms(self, before_ms: int) -> int:
        """Return the newest mark of event time written before a moment, 0 when there is none."""
        if 0 not in self.ends(CLOCK):
            return 0
        low, high = self._bounds(CLOCK, 0)
        found = self._consumer.offsets_for_times([TopicPartition(CLOCK, 0, before_ms)], timeout=_TIMEOUT_S)
        after = int(found[0].offset)
        place = (after if after >= 0 else high) - 1
        marks = list(self.read(CLOCK, 0, place, place + 1)) if place >= low else []
        return round(marks[0].fields["event_time"].timestamp() * 1000) if marks else 0

    def _bounds(self, topic: str, partition: int) -> tuple[int, int]:
        place = TopicPartition(topic, partition)
        low, high = self._consumer.get_watermark_offsets(place, timeout=_TIMEOUT_S)
        return int(low), int(high)

    def _consume(self, wanted: int) -> list[Message]:
        messages: list[Message] = self._consumer.consume(wanted, timeout=_TIMEOUT_S)
        if not messages:
            raise KafkaException(f"the log gave nothing for {_TIMEOUT_S} s")
        for message in messages:
            if message.error():
                raise KafkaException(message.error())
        return messages


@contextmanager
def open_log(bootstrap: str) -> Iterator[LedgerLog]:
    """Open the log; raise MillraceError when Kafka does not answer."""
    log = LedgerLog(bootstrap)
    try:
        yield log
    except KafkaException as error:
        raise MillraceError(
            f"Kafka does not answer: {error}", where=bootstrap, mend="`millrace status` says what runs."
        ) from error
    finally:
        log.close()
