"""The test stack: real services, started once for the tests that ask for them."""

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from xdist.scheduler import LoadGroupScheduling
from xdist.workermanage import WorkerController

from millrace.secrets import load_secrets
from millrace.settings import ROOT, Settings, settings

# Smaller than a demo and with a faster heartbeat. MILLRACE_STACK set outside must not win: the
# stack is wiped at the start. TEST_STACK and TEST_PORT_OFFSET run two test stacks side by side.
ENVIRONMENT = {
    "MILLRACE_STACK": os.environ.get("TEST_STACK", "test"),
    "MILLRACE_PORT_OFFSET": os.environ.get("TEST_PORT_OFFSET", "1000"),
    "MILLRACE_KAFKA__HEAP": "512m",
    "MILLRACE_REDIS__MAX_MEMORY": "512mb",
    "MILLRACE_FLINK__TASKMANAGER_MEMORY": "2g",
    "MILLRACE_FLINK__JOBMANAGER_MEMORY": "800m",
    "MILLRACE_FLINK__CHECKPOINT_INTERVAL_MS": "4000",
}

# The tests of one test stack, which are one process's.
ON_STACK = "stack"

# How fast a case runs says something of the machine, not of the code.
hypothesis_settings.register_profile("millrace", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("millrace")


def _millrace(*words: str) -> None:
    command = [sys.executable, "-m", "millrace.cli", *words]
    result = subprocess.run(
        command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if result.returncode:
        said = f"{result.stderr}{result.stdout}"
        raise RuntimeError(f"`millrace {' '.join(words)}` ended with {result.returncode}:\n{said}")


def _asked(variable: str) -> bool:
    return os.environ.get(variable, "") not in {"", "0"}


class ByFile(LoadGroupScheduling):  # type: ignore[misc]  # xdist has no types
    """Gives each process one file after the other; what needs the stack goes to the last one, alone."""

    def _split_scope(self, nodeid: str) -> str:
        group = super()._split_scope(nodeid)
        return nodeid.partition("::")[0] if group == nodeid else group

    def _reschedule(self, node: WorkerController) -> None:
        others = [one for one in self.nodes if one is not node and not one.shutting_down]
        is_done = self._pending_of(self.assigned_work[node]) <= 2
        if others and is_done and list(self.workqueue) == [ON_STACK]:
            node.shutdown()
        else:
            super()._reschedule(node)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFile:
    """Spread files over the processes of `-n`."""
    return ByFile(config, log)


# Before xdist looks for groups.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run what needs the stack last: by then nothing else runs beside it."""
    items.sort(key=_needs_stack)
    for item in filter(_needs_stack, items):
        item.add_marker(pytest.mark.xdist_group(ON_STACK))


def _needs_stack(item: pytest.Item) -> bool:
    return "stack" in getattr(item, "fixturenames", ())


@pytest.fixture(scope="session")
def stack() -> Iterator[Settings]:
    """Start the test stack from nothing and stop it at the end.

    REUSE_STACK=1 takes a running one with its data; KEEP_STACK=1 leaves it running.
    """
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ENVIRONMENT.items():
            patch.setenv(name, value)
        settings.cache_clear()
        load_secrets.cache_clear()
        if not _asked("REUSE_STACK"):
            _millrace("down", "--wipe")
        try:
            _millrace("up")
            yield settings()
        finally:
            if not (_asked("KEEP_STACK") or _asked("REUSE_STACK")):
                _millrace("down")
            settings.cache_clear()
            load_secrets.cache_clear()
