"""`python -m jobs.contexts`: publish contexts until SIGTERM, within a second of each change."""

import logging
import signal
import threading

import psycopg
from confluent_kafka import KafkaException
from psycopg import Connection

from catalog.migrations import connect
from jobs.contexts.publisher import ContextLog, begin, publish_changes
from millrace.clock import now_ms
from millrace.settings import Settings, settings

# A notice wakes us at once; without one we look this often, because windows end without a notice.
_LOOK_EVERY_S = 1.0
_PAUSE_S = 1.0
_log = logging.getLogger("millrace.contexts")


def _serve(connection: Connection, log: ContextLog, stopping: threading.Event) -> None:
    connection.execute("LISTEN registry")
    begin(connection, log)
    while not stopping.is_set():
        published = publish_changes(connection, log, now_ms())
        if published:
            _log.info("contexts_published count=%d", published)
        for _ in connection.notifies(timeout=_LOOK_EVERY_S, stop_after=1):
            pass


def _run(configured: Settings, stopping: threading.Event) -> None:
    log = ContextLog(configured.address("kafka"))
    while not stopping.is_set():
        try:
            with connect(configured) as connection:
                connection.autocommit = True
                _serve(connection, log, stopping)
        except (psycopg.Error, KafkaException) as error:
            _log.warning("contexts_waiting error=%s", str(error).strip())
            stopping.wait(_PAUSE_S)


def main() -> None:
    """Publish until told to stop; PostgreSQL and Kafka may come and go."""
    configured = settings()
    logging.basicConfig(level=configured.log_level, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    _run(configured, stopping)


if __name__ == "__main__":
    main()
