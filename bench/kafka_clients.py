"""kafka-python against confluent-kafka as the gateway uses them: readings/s and CPU seconds per 100,000.

`python -m bench.kafka_clients --brokers 127.0.0.1:18092` writes to a topic of its own and deletes it.
Both: acks=all, idempotent, linger 5 ms, a callback per message, same payloads, taking turns; uncompressed,
because kafka-python compresses only with further packages (`--compression` adds confluent-kafka with it).
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from kafka import KafkaProducer

from ingest.gateway.producer import producer_config
from millrace.clock import now_ms
from millrace.reading import Reading, encode
from millrace.settings import settings

PARTITIONS = 4
TOPIC = "bench.kafka-clients"
Message = tuple[bytes, bytes]
Produce = Callable[[str, list[Message]], int]


class Run(NamedTuple):
    """One client's run: wall rate, and CPU of this process."""

    readings_per_s: float
    cpu_s_per_100k: float


def messages(count: int) -> list[Message]:
    """Return encoded readings of 1,000 devices, three metrics each."""
    time_ms = now_ms()
    return [(reading.key, encode(reading)) for reading in (_reading(n, time_ms) for n in range(count))]


def _reading(number: int, time_ms: int) -> Reading:
    return Reading(
        tenant="bench",
        device_id=f"dev-{number % 1000:04d}",
        event_id=f"{number:032x}",
        event_time=time_ms + number,
        metrics={"temperature_c": 21.5 + number % 7, "humidity_pct": 40.25, "pressure_hpa": 1013.0},
        received_at=time_ms + number,
        source="mqtt",
    )


def with_confluent(brokers: str, batch: list[Message], compression: str = "none") -> int:
    """Produce with the gateway's own settings; return how many were acknowledged."""
    producer = Producer({**producer_config(brokers, give_up_ms=0), "compression.type": compression})
    acknowledged = 0

    def answered(error: Any, _message: Any) -> None:
        nonlocal acknowledged
        acknowledged += error is None

    for number, (key, value) in enumerate(batch):
        while True:
            try:
                producer.produce(TOPIC, value, key, on_delivery=answered)
                break
            except BufferError:
                producer.poll(0.01)
        if number % 100 == 0:
            producer.poll(0)
    producer.flush()
    return acknowledged


def with_kafka_python(brokers: str, batch: list[Message]) -> int:
    """Produce with the same guarantees; return how many were acknowledged."""
    producer = KafkaProducer(
        bootstrap_servers=brokers,
        acks="all",
        enable_idempotence=True,
        linger_ms=5,
        max_block_ms=60_000,
    )
    acknowledged = 0

    def answered(_metadata: Any) -> None:
        nonlocal acknowledged
        acknowledged += 1

    for key, value in batch:
        producer.send(TOPIC, value, key).add_callback(answered)
    producer.flush()
    producer.close()
    return acknowledged


def measure(produce: Produce, brokers: str, batch: list[Message]) -> Run:
    """Run one client over the batch; raise RuntimeError when not all is acknowledged."""
    started_s, cpu_s = time.perf_counter(), time.process_time()
    acknowledged = produce(brokers, batch)
    wall_s, used_s = time.perf_counter() - started_s, time.process_time() - cpu_s
    if acknowledged != len(batch):
        raise RuntimeError(f"{acknowledged} of {len(batch)} acknowledged")
    return Run(len(batch) / wall_s, used_s * 100_000 / len(batch))


def contestants(compressions: list[str]) -> dict[str, Produce]:
    """Return the clients by name."""
    packed = {f"confluent-kafka, {c}": partial(with_confluent, compression=c) for c in compressions}
    return {"kafka-python": with_kafka_python, "confluent-kafka": with_confluent, **packed}


def compare(clients: dict[str, Produce], brokers: str, readings: int, rounds: int) -> dict[str, Any]:
    """Let the clients take turns; return each one's median and all its runs."""
    runs: dict[str, list[Run]] = {name: [] for name in clients}
    batch = messages(readings)
    for _ in range(rounds):
        for name, produce in clients.items():
            runs[name].append(measure(produce, brokers, batch))
    return {name: _summary(results) for name, results in runs.items()}


def _summary(results: list[Run]) -> dict[str, Any]:
    return {
        "readings_per_s": round(statistics.median(run.readings_per_s for run in results)),
        "cpu_s_per_100k": round(statistics.median(run.cpu_s_per_100k for run in results), 2),
        "runs_readings_per_s": [round(run.readings_per_s) for run in results],
    }


def main() -> int:
    """Make the topic, compare, delete the topic, write the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--brokers", default=settings().address("kafka"))
    parser.add_argument("--readings", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--compression", action="append", default=[], choices=["lz4", "zstd", "gzip"])
    arguments = parser.parse_args()
    admin = AdminClient({"bootstrap.servers": arguments.brokers})
    admin.create_topics([NewTopic(TOPIC, PARTITIONS, 1)])[TOPIC].result()
    try:
        clients = contestants(arguments.compression)
        figures = compare(clients, arguments.brokers, arguments.readings, arguments.rounds)
    finally:
        admin.delete_topics([TOPIC])[TOPIC].result()
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
