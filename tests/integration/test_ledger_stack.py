"""The ledger of a whole running stack: by command, by device, over the API and in its table."""

from typing import Any
from uuid import uuid4

import httpx
import pytest

from catalog.lake import load_lake
from millrace.clock import now_ms
from millrace.settings import Settings
from tests.integration.streaming import millrace, send, until

pytestmark = [pytest.mark.integration, pytest.mark.sessions, pytest.mark.timeout(400)]

LOOKED_S = 90
SETTLED_S = 330


@pytest.fixture(scope="module")
def device(stack: Settings) -> str:
    """A device that sent ten readings, one of them twice, and one the gateway refused."""
    name, now = f"ledger-{uuid4().hex[:8]}", now_ms()
    sent = [
        {"device_id": name, "event_id": str(n), "event_time": now - 100 * n, "metrics": {"a": 1.0, "b": 2.0}}
        for n in range(10)
    ]
    ahead = {"device_id": name, "event_time": now + 3_600_000, "metrics": {"a": 1.0}}
    assert len(send(stack, *sent, sent[0], ahead)["rejected"]) == 1
    return name


def test_the_books_balance_and_gateways_told_of_everything(stack: Settings, device: str) -> None:
    found = until(
        lambda: millrace("ledger", "--since", "10m"), lambda ledger: bool(ledger["balanced"]), LOOKED_S
    )
    assert sum(found["gateways"].values()) == found["accepted"] == found["stored"]
    assert found["gateways"]["accounted"] >= 11
    assert sum(sides["stored"] for sides in found["dead_letter_reasons"].values()) == found["dead_letters"]
    assert sum(minute["stored"] for minute in found["minutes"]) >= 11


def test_the_books_of_a_device_balance_once_its_windows_closed(stack: Settings, device: str) -> None:
    found = until(
        lambda: millrace("ledger", "--device", device),
        lambda one: bool(one["balanced"]) and one["waiting"] == 0,
        SETTLED_S,
    )
    assert (found["accepted"], found["stored"], found["duplicate"], found["dead_letters"]) == (11, 11, 1, 1)
    counted = [(m["rollup_count"], m["expected_rollup_count"]) for m in found["minutes"]]
    assert sum(held for held, _ in counted) == sum(wanted for _, wanted in counted) == 20


def test_the_api_tells_what_the_writer_saw(stack: Settings, device: str) -> None:
    url = f"http://{stack.address('api')}/metrics"

    def ledger() -> dict[str, Any]:
        answer: dict[str, Any] = httpx.get(url, timeout=10).json()["ledger"]
        return answer

    found = until(ledger, lambda block: block["state"] == "ok" and (block["accepted"] or 0) >= 11, LOOKED_S)
    assert found["findings"] is not None
    text = httpx.get(url, headers={"Accept": "text/plain"}, timeout=10).text
    assert "millrace_ledger_balanced" in text


def test_settled_minutes_are_in_the_table_once_a_revision(stack: Settings, device: str) -> None:
    def rows() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (
            load_lake(stack).load_table(("iot", "ledger")).scan().to_arrow().to_pylist()
        )
        return found

    found = until(rows, lambda written: sum(row["stored"] for row in written) >= 11, SETTLED_S)
    assert len({(row["minute"], row["revision"]) for row in found}) == len(found)
