"""Forgetting by the API: begun on demand, told while it runs, and what stops it is said."""

import json
import time

import pytest
from fastapi.testclient import TestClient

from tests.integration.conftest import RedisServer

pytestmark = [pytest.mark.integration, pytest.mark.lakehouse]


def test_a_device_is_only_forgotten_by_those_who_say_so(web: TestClient) -> None:
    for question in ("", "?forget=false", "?forget=1"):
        assert web.delete(f"/devices/a{question}").status_code == 422
    assert web.get("/devices/a/forgetting").status_code == 404
    assert web.delete("/devices/a*?forget=true").status_code == 422


def test_a_store_that_is_away_is_named_and_how_to_go_on(web: TestClient) -> None:
    begun = web.delete("/devices/b?forget=true")
    assert (begun.status_code, begun.json()["tenant"], begun.json()["device_id"]) == (202, "demo", "b")
    deadline = time.monotonic() + 60
    while (found := web.get("/devices/b/forgetting").json())["state"] == "running":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert found["state"] == "failed"
    assert "go" in found["detail"]
    assert "millrace status" in found["detail"]


def test_the_newest_report_of_a_device_is_found_and_no_other_ones(
    web: TestClient, redis_server: RedisServer
) -> None:
    folder = redis_server.config.folder / "forgotten"
    folder.mkdir(parents=True)
    for name, began_at, is_whole in (
        ("demo-c", "2026-01-01T000000Z", False),
        ("demo-c", "2026-01-02T000000Z", True),
        ("demo-c-2", "2026-01-03T000000Z", False),
    ):
        report = {"forgotten": is_whole, "began_at": began_at}
        (folder / f"{name}-{began_at}.json").write_text(json.dumps(report))
    found = web.get("/devices/c/forgetting").json()
    assert (found["state"], found["began_at"]) == ("forgotten", "2026-01-02T000000Z")
    assert web.get("/devices/d/forgetting").status_code == 404
