"""Records of a Kafka topic from one moment on, decoded by the topic's contract."""

import time
from collections.abc import Iterator
from contextlib import closing
from io import BytesIO
from types import TracebackType
from typing import Any, NamedTuple, Self

import pyarrow as pa
from confluent_kafka import Consumer, KafkaError, Message, TopicPartition
from fastavro import schemaless_reader

from millrace.clock import now_ms
from millrace.contracts import avro_schema
from millrace.settings import Settings

_TIMEOUT_S = 10.0
_BATCH = 500
Offsets = dict[int, int]


class LogRecord(NamedTuple):
    """A decoded record, when the broker appended it and when it was read here (UTC epoch milliseconds)."""

    fields: dict[str, Any]
    appended_ms: int
    seen_ms: int


def end_offsets(settings: Settings, topic: str) -> Offsets:
    """Return where each partition of a topic ends now."""
    with closing(_consumer(settings)) as consumer:
        return {
            number: consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=_TIMEOUT_S)[1]
            for number in consumer.list_topics(topic, timeout=_TIMEOUT_S).topics[topic].partitions
        }


class Tail:
    """Follows a topic from given offsets; survives a broker that is away for a while."""

    def __init__(self, settings: Settings, topic: str, begin: Offsets) -> None:
        self._consumer = _consumer(settings)
        self._schema = avro_schema(topic)
        self._consumer.assign([TopicPartition(topic, number, place) for number, place in begin.items()])
        self._at_end: set[int] = set()
        self._partitions = frozenset(begin)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._consumer.close()

    @property
    def at_end(self) -> bool:
        """Tell whether everything the topic held when it was last asked has been read."""
        return self._at_end >= self._partitions

    def read(self, timeout_s: float) -> list[LogRecord]:
        """Return what came within `timeout_s`."""
        messages: list[Message] = self._consumer.consume(_BATCH, timeout=timeout_s)
        return [self._decoded(message) for message in messages if self._is_record(message)]

    def _is_record(self, message: Message) -> bool:
        error = message.error()
        if error is not None and error.code() == KafkaError._PARTITION_EOF:
            self._at_end.add(message.partition() or 0)
        elif error is None:
            self._at_end.discard(message.partition() or 0)
        return error is None

    def _decoded(self, message: Message) -> LogRecord:
        fields: Any = schemaless_reader(BytesIO(message.value() or b""), self._schema, None)
        return LogRecord(fields, message.timestamp()[1], now_ms())


def records(settings: Settings, topic: str, begin: Offsets) -> Iterator[LogRecord]:
    """Yield the records of a topic from `begin` to its end; one that does not come for 10 s ends it."""
    with Tail(settings, topic, begin) as tail:
        heard = time.monotonic()
        while not tail.at_end and time.monotonic() - heard < _TIMEOUT_S:
            found = tail.read(0.5)
            heard = time.monotonic() if found else heard
            yield from found


def _consumer(settings: Settings) -> Consumer:
    return Consumer(
        {
            "bootstrap.servers": settings.address("kafka"),
            "group.id": "acceptance",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            # Events are written at least once or in transactions: what was rolled back never happened.
            "isolation.level": "read_committed",
            "auto.offset.reset": "earliest",
            "log_level": 0,
        }
    )


def dead_letters_of_the_log(settings: Settings, begin: Offsets, prefix: str) -> pa.Table:
    """Return device, reason and original bytes of the dead letters since `begin`."""
    found = (record.fields for record in records(settings, "telemetry.dead-letter", begin))
    rows = [
        {name: fields[name] for name in ("device_id", "reason", "original")}
        for fields in found
        if (fields["device_id"] or "").startswith(prefix)
    ]
    schema = pa.schema([("device_id", pa.string()), ("reason", pa.string()), ("original", pa.binary())])
    return pa.Table.from_pylist(rows, schema=schema)
