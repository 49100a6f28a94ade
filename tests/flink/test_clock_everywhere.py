"""Every subtask knows how late a reading is, even if it read nothing before: telemetry over real Kafka."""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from jobs.runtime.clock_marks import TelemetryEdge
from jobs.runtime.connectors import _SQL
from jobs.runtime.event_clock import Mark
from jobs.runtime.topics import create_topics
from millrace.clock import now_ms
from millrace.contracts import topics
from millrace.reading import Reading, encode
from tests.flink.local_stream import OUT_OF_ORDERNESS, local_environment
from tests.integration.own_services import own_services

pytestmark = [pytest.mark.flink, pytest.mark.stream, pytest.mark.timeout(300)]

PARTITIONS = range(topics()["telemetry"].partitions)
BEHIND = """
SELECT device_id, event_id, kafka_partition, event_time < CURRENT_WATERMARK(event_time) AS behind
FROM telemetry
"""
# What every partition gets, in this order: event time before now, and whether that is late.
GIVEN = {"late": (1_800_000, True), "now": (0, False), "earlier": (5_000, False), "again": (1_800_000, True)}
Judged = tuple[str, int, bool | None]


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with own_services(tmp_path_factory.mktemp("everywhere"), "everywhere", "kafka") as config:
        yield config.address("kafka")


@contextmanager
def marking(kafka: str) -> Iterator[None]:
    """Mark the present several times a second, as the keeper does once while readings come."""
    stopping, edge = threading.Event(), TelemetryEdge(kafka)

    def mark() -> None:
        while not stopping.wait(0.2):
            edge.mark(Mark(now_ms(), now_ms(), 0), edge.clocks())

    thread = threading.Thread(target=mark, daemon=True)
    thread.start()
    yield
    stopping.set()
    thread.join()


def source(kafka: str) -> str:
    """Return the source as it is declared, but for what came before and for how long it waits."""
    declared = (_SQL / "telemetry.sql").read_text().replace("earliest-offset", "latest-offset")
    return declared.format(bootstrap=kafka, out_of_orderness=OUT_OF_ORDERNESS, idle_partition_ms=500)


def send(kafka: str, device: str) -> None:
    producer, now = Producer({"bootstrap.servers": kafka, "acks": "all"}), now_ms()
    for partition in PARTITIONS:
        for name, (before_ms, _) in GIVEN.items():
            reading = Reading(
                tenant="demo",
                device_id=device,
                event_id=name,
                event_time=now - before_ms,
                metrics={"a": 1.0},
                received_at=now,
                source="mqtt",
            )
            producer.produce("telemetry", encode(reading), partition=partition)
    assert producer.flush(20) == 0


def judged(rows: Iterable[Any], device: str, clocks: set[int], send: Callable[[], None]) -> list[Judged]:
    """Send once time is known wherever a clock is read; return how each reading was judged."""
    unknown, found = set(clocks), []
    for device_id, event_id, partition, behind in rows:
        if device_id == device:
            found.append((event_id, partition, behind))
        elif not device_id and behind is not None and partition in unknown:
            unknown.remove(partition)
            if not unknown:
                send()
        if len(found) == len(PARTITIONS) * len(GIVEN):
            break
    return found


@pytest.mark.parametrize("subtasks", [1, 2, 4])
def test_a_late_reading_is_behind_even_if_it_is_the_first_its_subtask_reads(
    kafka: str, tmp_path: Path, subtasks: int
) -> None:
    # More each time: what a stack with fewer left is extended.
    create_topics(kafka, subtasks)
    more = {"parallelism.default": str(subtasks), "pipeline.auto-watermark-interval": "100 ms"}
    tables = local_environment(tmp_path, more)
    tables.execute_sql(source(kafka))
    device, clocks = f"on-{subtasks}", set(TelemetryEdge(kafka).clocks())
    with marking(kafka), tables.sql_query(BEHIND).execute().collect() as rows:
        found = judged(rows, device, clocks, lambda: send(kafka, device))
    expected = [(name, partition, late) for partition in PARTITIONS for name, (_, late) in GIVEN.items()]
    assert sorted(found) == sorted(expected)
