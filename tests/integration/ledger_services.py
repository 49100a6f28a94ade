"""PostgreSQL, Kafka and an HTTP gateway of the ledger tests' own, and a hand that does the stream's work."""

import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
from confluent_kafka import Producer

from catalog.lake import load_lake
from catalog.ledger import Ledger
from catalog.ledger_kafka import LedgerLog, Record, open_log
from catalog.ledger_source import taken
from catalog.ledger_state import LedgerState
from catalog.tables import apply_tables
from millrace.reading import Reading, encode
from millrace.secrets import load_secrets
from millrace.settings import Settings
from millrace.stack.discovery import services
from tests.integration.own_services import own_services, start, until

Rows = list[dict[str, Any]]
Marks = dict[str, str]


class Books:
    """A gateway in front of Kafka and a lake; `carry` stores what Kafka has, as the stream would."""

    def __init__(self, config: Settings) -> None:
        self.config = config
        self.gateway: subprocess.Popen[bytes] | None = None
        self.carried: dict[tuple[str, int], int] = {}

    def start_gateway(self) -> None:
        self.gateway = start(self.config, "gateway-http")
        until(lambda: services()["gateway-http"].ready(self.config))

    def kill_gateway(self) -> None:
        assert self.gateway is not None
        self.gateway.kill()
        self.gateway.wait()

    def post(self, *elements: dict[str, Any]) -> dict[str, int]:
        """Send one batch over HTTP; the answer says what was accepted and what was refused."""
        token = load_secrets(self.config).tenant_token(self.config.tenant)
        url = f"http://{self.config.address('gateway_http')}/v1/telemetry"
        reply = httpx.post(url, json=list(elements), headers={"Authorization": f"Bearer {token}"}, timeout=30)
        assert reply.status_code in (202, 422), reply.text
        return {"accepted": reply.json()["accepted"], "rejected": len(reply.json()["rejected"])}

    def direct(self, reading: Reading) -> None:
        """Put a reading straight on Kafka."""
        producer = Producer({"bootstrap.servers": self.config.address("kafka"), "acks": "all"})
        producer.produce("telemetry", encode(reading), reading.key)
        assert producer.flush(20) == 0

    def await_accounts(self, readings: int) -> None:
        """Wait until gateways told of so many readings."""
        with open_log(self.config.address("kafka")) as log:
            until(lambda: self._told(log) >= readings)

    @staticmethod
    def _told(log: LedgerLog) -> int:
        runs = (run for record in log.accounts(0) for run in record.fields["readings"])
        return sum(run["last"] - run["first"] + 1 for run in runs)

    def untold(self) -> int:
        """Return how many stored readings of gateways no gateway told of."""
        return int(self.take().as_json()["gateways"]["unaccounted"])

    def fetch(self, topic: str) -> list[Record]:
        """Return what a topic got since the last time."""
        found: list[Record] = []
        with open_log(self.config.address("kafka")) as log:
            for partition, end in log.ends(topic).items():
                place = (topic, partition)
                found += log.read(topic, partition, self.carried.get(place, 0), end)
                self.carried[place] = end
        return found

    def carry(self, marks: Marks | None = None, keep: Callable[[Record], bool] = lambda _: True) -> Rows:
        """Store new readings and the rollups of those on time; `marks` by event_id, the rest is on time."""
        rows = [self._row(record, marks or {}) for record in self.fetch("telemetry") if keep(record)]
        self.append("readings", rows)
        counts = Counter(key for row in rows if row["mark"] == "on_time" for key in _points(row))
        self.append("rollups_1m", [rollup(*key, count) for key, count in counts.items()])
        return rows

    def carry_dead_letters(self, keep: Callable[[Record], bool] = lambda _: True) -> None:
        rows = [
            record.fields
            | {"kafka_partition": record.partition, "kafka_offset": record.offset}
            | {"dead_letter_id": f"{record.partition}-{record.offset}"}
            for record in self.fetch("telemetry.dead-letter")
            if keep(record)
        ]
        self.append("dead_letters", rows)

    @staticmethod
    def _row(record: Record, marks: Marks) -> dict[str, Any]:
        fields = record.fields
        return fields | {
            "metrics": list(fields["metrics"].items()),
            "kafka_partition": record.partition,
            "kafka_offset": record.offset,
            "mark": marks.get(fields["event_id"], "on_time"),
        }

    def append(self, name: str, rows: Rows) -> None:
        table = load_lake(self.config).load_table(("iot", name))
        if rows:
            table.append(pa.Table.from_pylist(rows, schema=table.schema().as_arrow()))

    def take(self, known: LedgerState | None = None) -> Ledger:
        with taken(self.config, 0, known or LedgerState()) as look:
            return look.ledger


def rollup(tenant: str, device_id: str, metric: str, minute: datetime, count: int, revision: int = 0) -> Any:
    values = dict.fromkeys(("min", "max", "sum", "first", "last"), 1.0)
    place = {"tenant": tenant, "device_id": device_id, "metric": metric, "window_start": minute}
    return values | place | {"count": count, "late_count": 0, "revision": revision, "complete": True}


def _points(row: dict[str, Any]) -> Iterator[tuple[str, str, str, datetime]]:
    minute = row["event_time"].astimezone(UTC).replace(second=0, microsecond=0)
    yield from ((row["tenant"], row["device_id"], metric, minute) for metric, _ in row["metrics"])


@contextmanager
def running(home: Path) -> Iterator[Books]:
    """Start the services in a folder; end them at the end."""
    with own_services(home, "books", "postgres", "kafka") as config:
        apply_tables(load_lake(config))
        found = Books(config)
        found.start_gateway()
        try:
            yield found
        finally:
            found.kill_gateway()
