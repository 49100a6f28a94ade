"""Kafka: straight to the `telemetry` topic, after the same checks as at the gateway."""

from typing import Any

from confluent_kafka import KafkaError, Producer

from ingest.gateway.normalise import Envelope, Rejection, normalise
from ingest.replay.message import Message
from ingest.replay.way import Way
from millrace.clock import now_ms
from millrace.reading import encode
from millrace.settings import Settings

TOPIC = "telemetry"


class KafkaSender:
    """Produces idempotently, keyed by device; a reading the checks refuse is not produced."""

    def __init__(self, settings: Settings, tenant: str, window: int) -> None:
        self.window = window
        self.acknowledged = self.refused = 0
        self.refusal = ""
        self._tenant = tenant
        self._produced = 0
        self._producer = Producer({**_configuration(settings, window), "error_cb": self._trouble})

    @property
    def in_flight(self) -> int:
        """How many messages have no delivery report yet."""
        return self._produced - self.acknowledged - self.refused

    def send(self, message: Message) -> None:
        """Check, encode and produce one message."""
        now = now_ms()
        envelope = Envelope(
            source="kafka",
            address=TOPIC,
            tenant=self._tenant,
            device_id=message.device_id,
            received_at=now,
        )
        self._produced += 1
        for reading in normalise(message.payload, envelope, now):
            if isinstance(reading, Rejection):
                self._refuse(f"{reading.reason}: {reading.detail}")
            else:
                self._producer.produce(TOPIC, encode(reading), reading.key, on_delivery=self._delivered)

    def poll(self, timeout_s: float) -> None:
        """Take delivery reports."""
        self._producer.poll(timeout_s)

    def close(self) -> None:
        """Forget what was not delivered."""
        self._producer.purge()
        self._producer.flush(1.0)

    def _delivered(self, error: KafkaError | None, _message: Any) -> None:
        if error is None:
            self.acknowledged += 1
        else:
            self._refuse(error.str())

    def _trouble(self, error: KafkaError) -> None:
        # librdkafka goes on trying; this is only what to say if nothing comes of it.
        self.refusal = error.str()

    def _refuse(self, why: str) -> None:
        self.refused += 1
        self.refusal = why


def _configuration(settings: Settings, window: int) -> dict[str, Any]:
    return {
        "bootstrap.servers": settings.address("kafka"),
        "client.id": "replay",
        "enable.idempotence": True,
        "acks": "all",
        "partitioner": "murmur2_random",
        "compression.type": "lz4",
        "linger.ms": 20,
        "queue.buffering.max.messages": window + 1000,
        "log_level": 0,
    }


WAY = Way(KafkaSender, window=20_000)
