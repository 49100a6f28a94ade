"""The life of a publisher: from the first change on, woken by PostgreSQL, until told to stop.

What changed goes to Kafka, and only then is remembered as published. A crash in between publishes the same
again, which changes nothing: the newest wins.
"""

import logging
import signal
import threading
from collections.abc import Callable
from typing import NamedTuple

import psycopg
from confluent_kafka import KafkaException
from psycopg import Connection, sql

from catalog.migrations import connect
from catalog.registry import Progress, keep_progress
from jobs.publishing.compacted_log import CompactedLog
from millrace.clock import now_ms
from millrace.settings import Settings, settings

# A notice wakes us at once; without one we look this often. Some changes need none, and one that came in the
# same packet as the end of our last query lies unread in the client until it is used again.
_LOOK_EVERY_S = 0.25
_PAUSE_S = 1.0
_log = logging.getLogger("millrace.publishing")


class Publisher(NamedTuple):
    """What one publisher carries: woken on `wake`, a pass publishes what changed and returns how much."""

    topic: str
    wake: str
    publish_changes: Callable[[Connection, CompactedLog, int], int]


def run(publisher: Publisher, configured: Settings, stopping: threading.Event) -> None:
    """Publish until told to stop; PostgreSQL and Kafka may come and go."""
    log = CompactedLog(configured.address("kafka"), publisher.topic)
    while not stopping.is_set():
        try:
            with connect(configured) as connection:
                connection.autocommit = True
                _serve(publisher, connection, log, stopping)
        except (psycopg.Error, KafkaException) as error:
            _log.warning("%s_waiting error=%s", publisher.topic, str(error).strip())
            stopping.wait(_PAUSE_S)


def _serve(
    publisher: Publisher, connection: Connection, log: CompactedLog, stopping: threading.Event
) -> None:
    connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(publisher.wake)))
    _begin(connection, log)
    while not stopping.is_set():
        published = publisher.publish_changes(connection, log, now_ms())
        if published:
            _log.info("%s_published count=%d", publisher.topic, published)
        for _ in connection.notifies(timeout=_LOOK_EVERY_S, stop_after=1):
            pass


def _begin(connection: Connection, log: CompactedLog) -> None:
    """Start from the first change again when the topic holds nothing, whatever PostgreSQL remembers."""
    if log.is_empty():
        with connection.transaction():
            keep_progress(connection, log.topic, Progress())


def main(publisher: Publisher) -> None:
    """Run a publisher as a process of this stack, until SIGTERM."""
    configured = settings()
    logging.basicConfig(level=configured.log_level, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    run(publisher, configured, stopping)
