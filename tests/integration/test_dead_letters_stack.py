"""Poison on the running stack: stored with its reason, mended, replayed once, a reading in the lake."""

import json
import subprocess
import sys
from typing import Any
from uuid import uuid4

import httpx
import pytest

from millrace.clock import now_ms
from millrace.secrets import load_secrets
from millrace.settings import Settings
from tests.integration.streaming import lake_rows, until

pytestmark = [pytest.mark.integration, pytest.mark.sessions]

PATIENCE_S = 90.0


def post(stack: Settings, message: bytes) -> int:
    token = load_secrets(stack).tenant_token(stack.tenant)
    url = f"http://{stack.address('gateway_http')}/v1/telemetry"
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.post(url, content=message, headers=headers, timeout=30).status_code


def letters_of(stack: Settings, device_id: str, **parameters: Any) -> list[Any]:
    reply = httpx.get(
        f"http://{stack.address('api')}/dead-letters", params={"device": device_id} | parameters, timeout=30
    )
    assert reply.status_code == 200, reply.text
    found: list[Any] = reply.json()["dead_letters"]
    return found


def millrace(*words: str) -> Any:
    command = [sys.executable, "-m", "millrace.cli", "dead-letters", *words, "--json"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_poison_is_found_by_its_reason_mended_and_replayed_once(stack: Settings) -> None:
    device_id = f"seconds-{uuid4().hex[:8]}"
    event_s = now_ms() // 1000 - 30
    message = b'{"device_id":"%s","event_time":%d,"metrics":{"a":1.5}}' % (device_id.encode(), event_s)
    assert post(stack, message) == 422
    (letter,) = until(
        lambda: letters_of(stack, device_id, reason="event_time_in_seconds"),
        lambda found: len(found) == 1,
        PATIENCE_S,
    )
    shown = millrace("show", letter["dead_letter_id"])
    assert (shown["original"]["text"], shown["replay"]) == (message.decode(), None)
    how = [letter["dead_letter_id"], "--fix", "scale:event_time:1000"]
    assert millrace("replay", letter["dead_letter_id"], "--dry-run")["counts"] == {"would_be_refused": 1}
    assert millrace("replay", *how, "--dry-run")["counts"] == {"would_be_accepted": 1}
    assert millrace("replay", *how)["outcomes"][0]["repeated"] is False
    (again,) = millrace("replay", *how)["outcomes"]
    assert (again["outcome"], again["repeated"]) == ("accepted", True)

    stored = until(lambda: lake_rows(stack, "readings", device_id), bool, PATIENCE_S)
    assert [(row["metrics"], row["event_time"].timestamp()) for row in stored] == [([("a", 1.5)], event_s)]
    assert letters_of(stack, device_id)[0]["replay"]["state"] == "accepted"


def test_every_dead_letter_of_the_log_is_in_the_lake_once(stack: Settings) -> None:
    marker = uuid4().hex
    for number in range(20):
        assert (
            post(stack, b'{"device_id":"%s","event_time":%d,"metrics":{"a":1}}' % (marker.encode(), number))
            == 422
        )
    found = until(lambda: letters_of(stack, marker, limit=100), lambda found: len(found) >= 20, PATIENCE_S)
    assert len({letter["dead_letter_id"] for letter in found}) == len(found) == 20
    counts = millrace("summary", "--device", marker)
    assert [(one["reason"], one["source"], one["count"]) for one in counts["counts"]] == [
        ("bad_event_time", "http", 20)
    ]
