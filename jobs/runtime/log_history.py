"""Reads back what a partition held before an offset: the classifier's memory after a restart."""

import logging
from collections.abc import Iterator

import numpy as np
import pandas as pd
from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from millrace.reading import identity
from udfs.duplicates import Fingerprints
from udfs.fingerprint import fingerprints

_log = logging.getLogger("millrace.history")
_BATCH = 10_000
_TIMEOUT_S = 30.0


def read_history(
    bootstrap: str, topic: str, partition: int, before_offset: int, since_ms: int
) -> Fingerprints:
    """Return the fingerprints of what lies in [since_ms, before_offset); KafkaException when unreadable."""
    consumer = Consumer(
        {"bootstrap.servers": bootstrap, "group.id": "millrace-history", "enable.auto.commit": False}
    )
    try:
        start = _start_offset(consumer, topic, partition, since_ms)
        _log.info("reading back %s-%d offsets %d to %d", topic, partition, start, before_offset)
        consumer.assign([TopicPartition(topic, partition, start)])
        identities = list(_identities(consumer, start, before_offset))
    finally:
        consumer.close()
    return fingerprints(pd.Series(identities, dtype=object)) if identities else np.zeros(0, dtype=np.uint64)


def _start_offset(consumer: Consumer, topic: str, partition: int, since_ms: int) -> int:
    place = TopicPartition(topic, partition, max(since_ms, 0))
    found = consumer.offsets_for_times([place], timeout=_TIMEOUT_S)[0]
    low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=_TIMEOUT_S)
    return int(found.offset) if low <= found.offset <= high else int(high)


def _identities(consumer: Consumer, start: int, before_offset: int) -> Iterator[str]:
    position = start
    while position < before_offset:
        # `consume` waits until it has as many as asked for: more than there are would take the whole timeout.
        wanted = min(_BATCH, before_offset - position)
        messages: list[Message] = consumer.consume(wanted, timeout=_TIMEOUT_S)
        if not messages:
            raise KafkaException(f"the log gave nothing at offset {position} for {_TIMEOUT_S} s")
        for message in messages:
            if message.error():
                raise KafkaException(message.error())
            offset = message.offset() or 0
            position = offset + 1
            if offset < before_offset:
                yield identity(message.value() or b"")
