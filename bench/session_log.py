"""A log as thousands of devices that send once a second leave it, with the log times it would have."""

import random
from collections.abc import Iterator
from typing import Any

from confluent_kafka import Producer
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType

from millrace.reading import Reading, encode

_METRICS = ("temperature_c", "humidity_pct", "battery_pct", "signal_dbm")
_VALUES = 997
_RUN = "sessions"
_CLOCK = "telemetry.clock"


def take_times_of_senders(bootstrap: str) -> None:
    """Let the topics of a bench stack keep the times the records carry."""
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    configs = {"message.timestamp.type": "CreateTime"}
    names = ("telemetry", _CLOCK)
    admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, configs) for name in names])
    admin.close()


def fill(bootstrap: str, devices: int, seconds: int, start_ms: int) -> None:
    """Write `seconds` of readings and marks of the clock, log times from `start_ms` on."""
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "acks": "all",
            "compression.type": "lz4",
            "linger.ms": 20,
            "queue.buffering.max.messages": 500_000,
            "partitioner": "murmur2_random",
        }
    )
    clocks = sorted(producer.list_topics(_CLOCK, timeout=10).topics[_CLOCK].partitions)
    for topic, reading in _records(devices, seconds, start_ms):
        if topic == _CLOCK:
            for clock in clocks:
                _produce(producer, topic, reading, partition=clock)
        else:
            _produce(producer, topic, reading, key=reading.key)
    producer.flush()


def _produce(producer: Producer, topic: str, reading: Reading, **place: Any) -> None:
    while True:
        try:
            producer.produce(topic, encode(reading), timestamp=reading.received_at, **place)
        except BufferError:
            producer.poll(0.1)
        else:
            break


def _records(devices: int, seconds: int, start_ms: int) -> Iterator[tuple[str, Reading]]:
    source = random.Random(1)
    values = [{name: round(source.uniform(1, 99), 2) for name in _METRICS} for _ in range(_VALUES)]
    for second in range(seconds):
        for device in range(devices):
            log_ms = start_ms + second * 1000 + device * 1000 // devices
            metrics = values[(second + device) % _VALUES]
            yield "telemetry", _reading(f"dev-{device:05d}", second, log_ms, metrics)
        yield _CLOCK, _mark(start_ms + second * 1000 + 999)


def _reading(device_id: str, second: int, log_ms: int, metrics: dict[str, float]) -> Reading:
    return Reading(
        tenant="bench",
        device_id=device_id,
        event_id=f"{_RUN}-{second:x}",
        event_time=log_ms - 50,
        metrics=metrics,
        received_at=log_ms,
        source="kafka",
    )


def _mark(at_ms: int) -> Reading:
    return Reading(
        tenant="",
        device_id="",
        event_id=str(at_ms),
        event_time=at_ms,
        metrics={},
        attributes={"paused_ms": "0"},
        received_at=at_ms,
        source="clock",
    )
