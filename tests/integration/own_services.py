"""Services of a test's own: a few of a stack's, in a folder and on ports of their own, ready for use."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from confluent_kafka import Consumer, KafkaException, TopicPartition

from catalog.migrations import connect, migrate
from jobs.runtime.topics import create_topics
from millrace.contracts import topics
from millrace.settings import ROOT, Settings
from millrace.stack.discovery import services

PATIENCE_S = 90.0
_END_PATIENCE_S = 15.0


@contextmanager
def own_services(home: Path, stack: str, port_offset: int, *names: str) -> Iterator[Settings]:
    """Start services, with the registry's tables and all topics where they belong; end them at the end."""
    (home / "jars").symlink_to(ROOT / ".millrace" / "jars")
    config = Settings(stack=stack, home=home, port_offset=port_offset, tenant="demo")
    with ExitStack() as ends:
        for name in names:
            # A lone Kafka waits in vain for another to take over; nobody reads its files again.
            ends.callback(end, start(config, name), 1.0 if name == "kafka" else _END_PATIENCE_S)
        until(lambda: all(services()[name].ready(config) for name in names))
        if "postgres" in names:
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


def end(process: subprocess.Popen[bytes], patience_s: float = _END_PATIENCE_S) -> None:
    """End a service that was started here."""
    # To PostgreSQL it means: do not wait for clients to leave.
    process.send_signal(signal.SIGINT)
    try:
        process.wait(patience_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def until(condition: Callable[[], bool], patience_s: float = PATIENCE_S) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)
