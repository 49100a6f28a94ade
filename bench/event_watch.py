"""Everything told on `device-events` from now on, read in a thread of its own."""

import threading
import time
from types import TracebackType
from typing import Self

from bench.log_records import LogRecord, Tail, end_offsets
from bench.storm_verdict import Told, told
from millrace.settings import Settings

TOPIC = "device-events"
_LOOK_EVERY_S = 0.5


class EventWatch:
    """The events of one run, told by the prefix of its devices and sites; survives a restart of the stack."""

    def __init__(self, settings: Settings, prefix: str) -> None:
        self._prefix = prefix
        self._records: list[LogRecord] = []
        self._ending = threading.Event()
        self._tail = Tail(settings, TOPIC, end_offsets(settings, TOPIC))
        self._thread = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._ending.set()
        self._thread.join()

    def _read(self) -> None:
        with self._tail as tail:
            while not self._ending.is_set():
                self._records += tail.read(0.1)

    def events(self, since: int = 0) -> list[Told]:
        """Return the run's events, each once, as first seen, without the first `since`."""
        return told(list(self._records), self._prefix)[since:]

    def wait(self, kind: str, number: int, since: int, patience_s: float) -> list[Told]:
        """Return the events once `number` of a kind are there, or time is up."""
        deadline = time.monotonic() + patience_s
        while time.monotonic() < deadline:
            if sum(event.type == kind for event in self.events(since)) >= number:
                break
            time.sleep(_LOOK_EVERY_S)
        return self.events(since)
