"""PostgreSQL, and Kafka for those who ask, of the alert tests' own; nothing else of a stack runs."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, KafkaException, TopicPartition
from psycopg.rows import dict_row

from catalog.alert_transitions import Kind, Transition
from catalog.migrations import connect, migrate
from jobs.runtime.topics import create_topics
from millrace.contracts import topics
from millrace.settings import ROOT, Settings
from millrace.stack.discovery import services

PATIENCE_S = 90.0
PORT_OFFSET = 10_000
START_MS = 1_767_225_600_000


def at(second: float = 0) -> datetime:
    """Return a moment of the tests' day."""
    return datetime.fromtimestamp(START_MS / 1000 + second, UTC)


def alert_id(device: str, onset_s: float = 0) -> str:
    return sha256(f"{device}/{onset_s}".encode()).hexdigest()[:24]


def said(
    tenant: str,
    kind: Kind,
    device: str = "pump-1",
    at_s: float = 60,
    *,
    onset_s: float = 0,
    site: str = "hall-4",
    rule: str = "too-hot",
    version: int = 1,
    severity: str = "warning",
    shadow: bool = False,
    retroactive: bool = False,
) -> Transition:
    """Return what the stream says of an alert, which its device and onset name."""
    return Transition(
        alert_id=alert_id(f"{tenant}/{device}", onset_s),
        tenant=tenant,
        device_id=device,
        site=site,
        rule=rule,
        rule_version=version,
        kind=kind,
        severity=severity,
        onset_ms=START_MS + round(1000 * onset_s),
        at_ms=START_MS + round(1000 * at_s),
        shadow=shadow,
        retroactive=retroactive,
        evidence={"temperature_c": 90 + at_s / 60, "at": kind},
    )


def rule(name: str = "too-hot", **fields: Any) -> dict[str, Any]:
    """Return a rule as people write it."""
    when = {"kind": "threshold", "metric": "temperature_c", "raise_above": 90, "for_s": 60}
    return {"rule": name, "when": when, "notify": ["ops"]} | fields


def rows(config: Settings, statement: Any, *values: Any) -> list[dict[str, Any]]:
    """Run a statement of a test; its rows, when there are any."""
    with connect(config) as connection, connection.cursor(row_factory=dict_row) as cursor:
        cursor.execute(statement, values)
        return list(cursor) if cursor.description else []


@contextmanager
def running(home: Path, *names: str) -> Iterator[Settings]:
    """Start services in a folder, ready for use; end them at the end."""
    (home / "jars").symlink_to(ROOT / ".millrace" / "jars")
    config = Settings(stack="alerts", home=home, port_offset=PORT_OFFSET, tenant="demo")
    with ExitStack() as ends:
        for name in names:
            ends.callback(end, start(config, name))
        until(lambda: all(services()[name].ready(config) for name in names))
        with connect(config) as connection:
            migrate(connection)
        if "kafka" in names:
            create_topics(config.address("kafka"))
            until(lambda: _have_leaders(config))
        yield config


def _have_leaders(config: Settings) -> bool:
    consumer = Consumer({"bootstrap.servers": config.address("kafka"), "group.id": "look"})
    places = [TopicPartition(name, p) for name, topic in topics().items() for p in range(topic.partitions)]
    try:
        return all(consumer.get_watermark_offsets(place, timeout=5) for place in places)
    except KafkaException:
        return False
    finally:
        consumer.close()


def start(config: Settings, name: str) -> subprocess.Popen[bytes]:
    """Start one service of the stack."""
    service = services()[name]
    service.prepare(config)
    environment = os.environ | config.environment() | {"MILLRACE_TENANT": config.tenant}
    with (config.home / f"{name}.log").open("ab") as log:
        return subprocess.Popen(
            list(service.command(config)), env=environment, stdout=log, stderr=log, cwd=ROOT
        )


def end(process: subprocess.Popen[bytes]) -> None:
    # To PostgreSQL it means: do not wait for clients to leave.
    process.send_signal(signal.SIGINT)
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def until(condition: Callable[[], bool], patience_s: float = PATIENCE_S) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)
