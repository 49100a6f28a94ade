"""Where the ledger's two sides come from: Kafka's end offsets and the rows of `iot.readings`."""

import time
from collections.abc import Iterator

import numpy as np
from kafka import KafkaConsumer, TopicPartition
from pyiceberg.catalog import Catalog
from pyiceberg.table import Table

from catalog.lake import NAMESPACE, load_lake
from catalog.ledger import Ledger, balance
from millrace.settings import Settings

_POLL_S = 0.5


def end_offsets(bootstrap: str, topic: str) -> dict[int, int]:
    """Return the end offset of each partition: how many messages Kafka ever acknowledged there."""
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, client_id="millrace-ledger", group_id=None)
    try:
        places = [TopicPartition(topic, p) for p in sorted(consumer.partitions_for_topic(topic) or [])]
        return {place.partition: int(end) for place, end in consumer.end_offsets(places).items()}
    finally:
        consumer.close()


def take_ledger(settings: Settings, settle_s: float) -> Ledger:
    """Cut the topic at its end now, wait for the lake to reach the cut, then balance.

    Waits at most `settle_s` seconds: rows become visible with the stream's checkpoint. What has not
    arrived by then shows as missing.
    """
    bootstrap = settings.address("kafka")
    ends = end_offsets(bootstrap, "telemetry")
    dead = sum(end_offsets(bootstrap, "telemetry.dead-letter").values())
    table = _settled(load_lake(settings), sum(ends.values()), settle_s)
    return balance(ends, _rows(table), dead)


def stored_rows(table: Table) -> int:
    """Return the row count from the newest snapshot's summary, without reading data."""
    snapshot = table.current_snapshot()
    return int(snapshot.summary["total-records"] or 0) if snapshot and snapshot.summary else 0


def _settled(lake: Catalog, expected: int, settle_s: float) -> Table:
    deadline = time.monotonic() + settle_s
    table = lake.load_table((NAMESPACE, "readings"))
    while stored_rows(table) < expected and time.monotonic() < deadline:
        time.sleep(_POLL_S)
        table = lake.load_table((NAMESPACE, "readings"))
    return table


def _rows(table: Table) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:  # type: ignore[type-arg]
    columns = ("kafka_partition", "kafka_offset", "mark")
    for batch in table.scan(selected_fields=columns).to_arrow_batch_reader():
        partition, offset, mark = (batch.column(name).to_numpy(zero_copy_only=False) for name in columns)
        yield partition, offset, mark.astype(np.str_)
