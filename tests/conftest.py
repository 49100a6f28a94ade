"""The test stack: real services, started once for the tests that ask for them."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

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


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark what needs the stack: `make test` runs it apart, in one process."""
    if _needs_stack(item):
        item.add_marker(pytest.mark.live)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run what needs the stack last: a broken unit is known before anything heavy starts."""
    items.sort(key=_needs_stack)


def _needs_stack(item: pytest.Item) -> bool:
    # Not a parameter that has the same name.
    given = getattr(getattr(item, "callspec", None), "params", {})
    return "stack" in getattr(item, "fixturenames", ()) and "stack" not in given


@pytest.fixture(scope="session")
def stack() -> Iterator[Settings]:
    """Start the test stack from nothing and stop it at the end.

    REUSE_STACK=1 takes a running one with its data; KEEP_STACK=1 leaves it running.
    """
    if "PYTEST_XDIST_WORKER" in os.environ:
        raise RuntimeError("one process has the test stack: run these without -n")
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
