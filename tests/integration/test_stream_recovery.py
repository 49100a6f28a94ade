"""A TaskManager killed in full flow: no message is lost or repeated, no figure changes."""

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any
from uuid import uuid4

import pandas as pd
import pytest

from jobs.runtime.log_history import read_history
from millrace.clock import now_ms
from millrace.settings import Settings
from tests.integration.streaming import lake_rows, millrace, redis_panes, send, until
from udfs.fingerprint import fingerprints

pytestmark = [pytest.mark.integration, pytest.mark.stream, pytest.mark.timeout(300)]

DEVICES, BATCHES, EVERY_S = 12, 24, 0.5
KILL_AFTER = 10
RECOVERED_S = 120
WINDOWS_CLOSE_S = 150


def pid_of(service: str) -> int | None:
    found: dict[str, int | None] = {row["name"]: row["pid"] for row in millrace("status")}
    return found[service]


def batch(devices: list[str], number: int) -> list[dict[str, Any]]:
    """One reading a device; every third is sent a second time under its name."""
    time_ms = now_ms()
    readings = [
        {"device_id": name, "event_id": str(number), "event_time": time_ms, "metrics": {"n": float(number)}}
        for name in devices
    ]
    return readings + (readings if number % 3 == 0 else [])


@pytest.fixture(scope="module")
def devices(stack: Settings) -> list[str]:
    """Send for twelve seconds and kill the TaskManager in the middle; the devices that sent."""
    names = [f"kill-{uuid4().hex[:10]}" for _ in range(DEVICES)]
    victim, pause = pid_of("taskmanager"), Event()
    assert victim is not None
    for number in range(BATCHES):
        assert send(stack, *batch(names, number))["rejected"] == []
        if number == KILL_AFTER:
            os.kill(victim, signal.SIGKILL)
        pause.wait(EVERY_S)
    until(lambda: pid_of("taskmanager"), lambda pid: pid not in (None, victim), RECOVERED_S)
    return names


@pytest.fixture
def flow(stack: Settings) -> Iterator[None]:
    """Other devices go on sending, so that event time passes in every partition."""
    names, stopping = [f"flow-{uuid4().hex[:10]}" for _ in range(16)], Event()

    def run() -> None:
        while not stopping.wait(1.0):
            send(stack, *({"device_id": name, "metrics": {"n": 1.0}} for name in names))

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(run)
        yield
        stopping.set()
        running.result()


def test_the_books_balance_after_the_kill(stack: Settings, devices: list[str]) -> None:
    found = until(
        lambda: millrace("ledger", "--settle", "5"), lambda ledger: bool(ledger["balanced"]), RECOVERED_S
    )
    assert found["accepted"] == found["stored"] >= DEVICES * BATCHES
    assert [(p["missing"], p["repeated"]) for p in found["partitions"]] == [(0, 0)] * 4


def test_duplicates_on_both_sides_of_the_kill_are_known_as_such(stack: Settings, devices: list[str]) -> None:
    for name in devices:
        marks = [(row["event_id"], row["mark"] == "duplicate") for row in lake_rows(stack, "readings", name)]
        singles = [(str(number), False) for number in range(BATCHES)]
        seconds = [(str(number), True) for number in range(0, BATCHES, 3)]
        assert sorted(marks) == sorted(singles + seconds)


def test_the_memory_of_a_partition_is_read_back_whole_and_at_once(
    stack: Settings, devices: list[str]
) -> None:
    rows = [row for name in devices for row in lake_rows(stack, "readings", name)]
    for partition in {row["kafka_partition"] for row in rows}:
        here = sorted((row for row in rows if row["kafka_partition"] == partition), key=_offset)
        before, began = _offset(here[-1]), time.monotonic()
        found = read_history(stack.address("kafka"), "telemetry", partition, before, 0)
        # Far below the time the consumer is given for one answer: it must not wait for more than there is.
        assert time.monotonic() - began < 10
        assert len(found) == before
        names = pd.Series([f"{row['tenant']}/{row['device_id']}/{row['event_id']}" for row in here[:-1]])
        assert fingerprints(names).tolist() == found[[_offset(row) for row in here[:-1]]].tolist()


def _offset(row: dict[str, Any]) -> int:
    return int(row["kafka_offset"])


@pytest.mark.usefixtures("flow")
def test_no_window_counts_a_reading_twice_or_leaves_one_out(stack: Settings, devices: list[str]) -> None:
    def counts() -> list[int]:
        return [sum(row["count"] for row in lake_rows(stack, "rollups_1m", name)) for name in devices]

    found = until(counts, lambda counted: min(counted) >= BATCHES, WINDOWS_CLOSE_S)
    assert found == [BATCHES] * DEVICES
    for name in devices:
        rows = lake_rows(stack, "rollups_1m", name)
        assert sum(row["sum"] for row in rows) == sum(range(BATCHES))
        assert len({row["window_start"] for row in rows}) == len(rows)
        panes = redis_panes(stack, name, "n", now_ms())
        assert sum(pane.readings for pane in panes) == BATCHES
        assert [panes[0].first, panes[-1].last] == [0.0, BATCHES - 1.0]
