"""`python -m jobs.alerts_keeper`: keep alerts until SIGTERM; a second keeper waits for the first to end."""

import logging
import signal
import threading
from contextlib import closing

import psycopg
from confluent_kafka import KafkaException

from catalog.migrations import connect
from jobs.alerts_keeper.keeper import Keeper
from millrace.clock import now_ms
from millrace.settings import Settings, settings

_PAUSE_S = 1.0
_log = logging.getLogger("millrace.alerts")


def _serve(keeper: Keeper, stopping: threading.Event) -> None:
    while not keeper.alone():
        _log.info("another keeper runs")
        if stopping.wait(_PAUSE_S):
            return
    with closing(keeper.open_log()) as log:
        while not stopping.is_set():
            taken = keeper.step(log)
            if taken:
                _log.info("alerts_taken records=%d", taken)


def _run(configured: Settings, stopping: threading.Event) -> None:
    while not stopping.is_set():
        try:
            with connect(configured) as connection:
                _serve(Keeper(connection, configured.address("kafka"), now_ms), stopping)
        except (psycopg.Error, KafkaException) as error:
            _log.warning("alerts_waiting error=%s", str(error).strip())
            stopping.wait(_PAUSE_S)


def main() -> None:
    """Keep alerts until told to stop; PostgreSQL and Kafka may come and go."""
    configured = settings()
    logging.basicConfig(level=configured.log_level, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    _run(configured, stopping)


if __name__ == "__main__":
    main()
