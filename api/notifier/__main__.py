"""`python -m api.notifier`: deliver notifications until SIGTERM."""

import logging
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from queue import Empty, SimpleQueue

import psycopg
from psycopg import Connection

from api.notifier.channel_kind import DEADLINE_S
from api.notifier.dispatcher import Delivered, Dispatcher
from api.notifier.options import options
from api.notifier.postman import Postman
from api.notifier.seal import load_seal
from catalog.migrations import connect
from millrace.clock import now_ms
from millrace.settings import Settings, settings

# A notice wakes us at once; without one we look this often, because retries come due without a notice.
_LOOK_EVERY_S = 1.0
_PAUSE_S = 1.0
_THREADS = 64
_log = logging.getLogger("millrace.notifier")
Events = SimpleQueue[Delivered | None]


def _listen(config: Settings, events: Events, stopping: threading.Event) -> None:
    while not stopping.is_set():
        try:
            with connect(config) as connection:
                connection.autocommit = True
                connection.execute("LISTEN notifications")
                while not stopping.is_set():
                    for _ in connection.notifies(timeout=_LOOK_EVERY_S, stop_after=1):
                        events.put(None)
        except psycopg.Error:
            stopping.wait(_PAUSE_S)


def _serve(connection: Connection, work: Dispatcher, events: Events, stopping: threading.Event) -> None:
    work.write_down(connection)
    while not stopping.is_set():
        work.send_due(connection)
        _wait(work, events, _LOOK_EVERY_S)
        work.write_down(connection)


def _wait(work: Dispatcher, events: Events, at_most_s: float) -> None:
    try:
        work.take(events.get(timeout=at_most_s))
        while True:
            work.take(events.get_nowait())
    except Empty:
        pass


def _finish(config: Settings, work: Dispatcher, events: Events) -> None:
    # What is on its way is waited for: sent and not written down, it would be sent again.
    until_s = time.monotonic() + DEADLINE_S + 5
    while not work.is_idle and time.monotonic() < until_s:
        _wait(work, events, _LOOK_EVERY_S)
        try:
            with connect(config) as connection:
                connection.autocommit = True
                work.write_down(connection)
        except psycopg.Error as error:
            _log.warning("notifier_waiting error=%s", str(error).strip())


def run(config: Settings, stopping: threading.Event) -> None:
    """Deliver until told to stop; PostgreSQL may come and go."""
    events: Events = SimpleQueue()
    postman = Postman(options(config), load_seal(config))
    with ThreadPoolExecutor(_THREADS, "delivery") as threads:
        work = Dispatcher(postman.deliver, threads, events, now_ms)
        listener = threading.Thread(target=_listen, args=(config, events, stopping), daemon=True)
        listener.start()
        while not stopping.is_set():
            try:
                with connect(config) as connection:
                    connection.autocommit = True
                    _serve(connection, work, events, stopping)
            except psycopg.Error as error:
                _log.warning("notifier_waiting error=%s", str(error).strip())
                stopping.wait(_PAUSE_S)
        _finish(config, work, events)
        listener.join(_LOOK_EVERY_S + _PAUSE_S)


def main() -> None:
    """Deliver until told to stop."""
    config = settings()
    logging.basicConfig(level=config.log_level, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    # It would log every URL, and a URL may be a secret.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    run(config, stopping)


if __name__ == "__main__":
    main()
