"""The order in which a stack is stopped."""

import threading
from typing import cast

import pytest

from millrace.stack.service import Service
from millrace.stack.stop import _descend
from millrace.stack.supervision import Process, Supervisor

pytestmark = pytest.mark.stack


class _Recorder:
    """Answers as supervisord would and writes down who was stopped when."""

    def __init__(self, running: list[str]) -> None:
        self._running = running
        self._lock = threading.Lock()
        self.stopped: list[str] = []

    def processes(self) -> dict[str, Process]:
        return {name: Process(name, "RUNNING", 1, 1, "") for name in self._running}

    def stop(self, name: str) -> None:
        with self._lock:
            self.stopped.append(name)

    def pid(self) -> int:
        return 2**22 + 1  # beyond the largest process id: gone

    def shutdown(self) -> None:
        return


def _service(name: str, *needs: str, once: bool = False) -> Service:
    return Service(name=name, about=name, command=lambda _: [name], needs=needs, once=once)


def test_a_service_outlives_what_rests_on_it_through_a_step_that_ended_long_ago() -> None:
    services = {
        "database": _service("database"),
        "tables": _service("tables", "database", once=True),
        "stream": _service("stream", "tables"),
    }
    supervisor = _Recorder(["database", "stream"])
    _descend(cast(Supervisor, supervisor), services, lambda name, word: None)
    assert supervisor.stopped == ["stream", "database"]
