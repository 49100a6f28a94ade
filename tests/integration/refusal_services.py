"""PostgreSQL, Kafka and an HTTP gateway of the dead letter tests' own; nothing else of a stack runs."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
from confluent_kafka import Consumer, TopicPartition
from fastavro import schemaless_reader

from catalog.lake import load_lake
from catalog.migrations import connect
from catalog.tables import apply_tables
from millrace.contracts import avro_schema, topics
from millrace.reading import Reading, decode
from millrace.secrets import load_secrets
from millrace.settings import Settings
from millrace.stack.discovery import services
from tests.integration.own_services import own_services, start, until

Rows = list[dict[str, Any]]


class Refusals:
    """A gateway on real services, and a hand that carries dead letters to the lake as the job does."""

    def __init__(self, config: Settings) -> None:
        self.config = config
        self.gateway: subprocess.Popen[bytes] | None = None
        self._carried: set[str] = set()

    def start_gateway(self) -> None:
        self.gateway = start(self.config, "gateway-http")
        until(lambda: services()["gateway-http"].ready(self.config))

    def stop_gateway(self) -> None:
        assert self.gateway is not None
        self.gateway.kill()
        self.gateway.wait()

    def refuse(self, *messages: bytes) -> None:
        """Post each message, which the gateway must refuse, and carry the dead letters to the lake."""
        for message in messages:
            assert self.post(message).status_code == 422, message
        self.carry(self.dead_letters())

    def refused(self, device: str) -> str:
        """Let the gateway refuse a reading of this device for an unknown field; its dead letter's id."""
        message = json.dumps({"device_id": device, "temp": 21.5}).encode()
        self.refuse(message)
        ids = {letter["original"]: str(letter["dead_letter_id"]) for letter in self.dead_letters()}
        return ids[message]

    def post(self, message: bytes) -> httpx.Response:
        token = load_secrets(self.config).tenant_token(self.config.tenant)
        url = f"http://{self.config.address('gateway_http')}/v1/telemetry"
        return httpx.post(url, content=message, headers={"Authorization": f"Bearer {token}"}, timeout=30)

    def dead_letters(self) -> Rows:
        schema = avro_schema("telemetry.dead-letter")
        found = []
        for partition, offset, value in _messages(self.config, "telemetry.dead-letter"):
            fields: Any = schemaless_reader(BytesIO(value), schema, None)
            place = {"kafka_partition": partition, "kafka_offset": offset}
            found.append(dict(fields) | place | {"dead_letter_id": f"{partition}-{offset}"})
        return found

    def carry(self, letters: Rows) -> None:
        """Append letters to `iot.dead_letters`, in a commit of their own, each once."""
        new = [letter for letter in letters if letter["dead_letter_id"] not in self._carried]
        self._carried |= {letter["dead_letter_id"] for letter in new}
        self.append("dead_letters", new)

    def append(self, name: str, rows: Rows) -> None:
        table = load_lake(self.config).load_table(("iot", name))
        table.append(pa.Table.from_pylist(rows, schema=table.schema().as_arrow()))

    def readings(self) -> list[Reading]:
        """Return everything the topic holds now."""
        return [decode(value) for _, _, value in _messages(self.config, "telemetry")]

    def of(self, device: str) -> list[Reading]:
        """Return a device's readings in the topic."""
        return [reading for reading in self.readings() if reading.device_id == device]

    def noted(self, letter: str) -> list[str]:
        """Return the state of a letter's replay, if there is one."""
        rows = self.sql("SELECT state FROM dead_letter_replay WHERE dead_letter_id = %s", letter)
        return [row[0] for row in rows]

    def store(self, reading: Reading) -> None:
        """Append a reading to `iot.readings`, as the stream does."""
        row = {
            "tenant": reading.tenant,
            "device_id": reading.device_id,
            "event_id": reading.event_id,
            "event_time": datetime.fromtimestamp(reading.event_time / 1000, UTC),
            "received_at": datetime.fromtimestamp(reading.received_at / 1000, UTC),
            "source": reading.source,
            "kafka_partition": 0,
            "kafka_offset": 0,
            "mark": "on_time",
        }
        self.append("readings", [row])

    def sql(self, statement: Any, *values: Any) -> list[Any]:
        """Run a statement in the registry; its rows, when there are any."""
        with connect(self.config) as connection:
            cursor = connection.execute(statement, values)
            return cursor.fetchall() if cursor.description else []


def _messages(config: Settings, topic: str) -> Iterator[tuple[int, int, bytes]]:
    consumer = Consumer({"bootstrap.servers": config.address("kafka"), "group.id": "look"})
    try:
        for partition in range(topics()[topic].partitions):
            low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=10)
            consumer.assign([TopicPartition(topic, partition, low)])
            for message in consumer.consume(high - low, timeout=20) if high > low else []:
                assert message.error() is None
                yield partition, message.offset() or 0, message.value() or b""
    finally:
        consumer.close()


@contextmanager
def running(home: Path) -> Iterator[Refusals]:
    """Start the services in a folder; end them at the end."""
    with own_services(home, "refusals", "postgres", "kafka") as config:
        apply_tables(load_lake(config))
        found = Refusals(config)
        found.start_gateway()
        try:
            yield found
        finally:
            found.stop_gateway()
