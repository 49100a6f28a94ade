"""Fills the telemetry topic with plausible readings, as fast as one producer can."""

import random
from collections.abc import Iterator

from confluent_kafka import Producer

from millrace.reading import Reading, encode

METRICS = ("temperature_c", "humidity_pct", "pressure_hpa")
_VALUES = 997


def readings(run: str, count: int, devices: int, end_ms: int) -> Iterator[Reading]:
    """Yield `count` readings of `devices` devices at 1 Hz each, in event-time order, ending at `end_ms`.

    `run` makes the event ids of one run differ from those of another.
    """
    values = _values()
    seconds = -(-count // devices)
    for place in range(count):
        second, device = divmod(place, devices)
        event_time_ms = end_ms - (seconds - second) * 1000 + device % 1000
        yield Reading(
            tenant="bench",
            device_id=f"dev-{device:05d}",
            event_id=f"{run}{second:x}",
            event_time=event_time_ms,
            metrics=values[place % _VALUES],
            received_at=event_time_ms + 50,
            source="kafka",
        )


def preload(bootstrap: str, count: int, devices: int, end_ms: int) -> None:
    """Produce the readings with acks=all and wait until Kafka has them all."""
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "acks": "all",
            "enable.idempotence": True,
            "compression.type": "lz4",
            "linger.ms": 20,
            "batch.size": 262_144,
            "queue.buffering.max.messages": 500_000,
            "partitioner": "murmur2_random",
        }
    )
    for reading in readings(f"{end_ms:x}-", count, devices, end_ms):
        _produce(producer, reading)
    producer.flush()


def _produce(producer: Producer, reading: Reading) -> None:
    while True:
        try:
            producer.produce("telemetry", encode(reading), reading.key)
        except BufferError:
            producer.poll(0.1)
        else:
            return


def _values() -> list[dict[str, float]]:
    source = random.Random(1)
    spans = ((20, 25), (40, 60), (1000, 1030))
    return [
        {name: round(source.uniform(*span), 2) for name, span in zip(METRICS, spans, strict=True)}
        for _ in range(_VALUES)
    ]
