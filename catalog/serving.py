"""Processes of which one at a time works; another waits until it is gone."""

import logging
import signal
import threading
from collections.abc import Callable
from typing import TypeVar

import psycopg

from catalog.locks import OnlyOne
from millrace.settings import Settings, settings

_log = logging.getLogger("millrace.alone")
Lock = TypeVar("Lock", bound=OnlyOne)
Work = Callable[[Settings, Lock, threading.Event], None]


def told_to_stop() -> threading.Event:
    """Return what is set by SIGTERM or SIGINT, from now on."""
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    return stopping


def serve_alone(lock: Callable[[Settings], Lock], work: Work[Lock], look_every_s: float) -> None:
    """Wait until nobody else holds the lock, then work until told to stop.

    SystemExit when the connection that holds the lock is lost.
    """
    stopping = told_to_stop()
    try:
        only_one = lock(settings())
        while not only_one.take():
            _log.info("another %s runs", only_one.name)
            if stopping.wait(look_every_s):
                return
        work(settings(), only_one, stopping)
    except psycopg.Error as error:
        # The supervisor starts it again; without the lock it must not go on.
        raise SystemExit(f"lost the registry: {error}") from error
