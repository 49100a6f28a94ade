"""What the API says while Redis or anything else is down, and that it comes back by itself."""

import asyncio
import socket
import time
from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

from api.queries.health import probe
from tests.integration.conftest import NOW_MS, RedisServer, Writer

pytestmark = [pytest.mark.integration, pytest.mark.web]


@pytest.fixture
def outage(redis_server: RedisServer) -> Iterator[RedisServer]:
    redis_server.stop()
    yield redis_server
    redis_server.start()


@pytest.mark.parametrize("path", ["/devices", "/devices/d1", "/data/d1"])
def test_without_redis_an_answer_is_a_problem_that_says_try_again(
    outage: RedisServer, web: TestClient, path: str
) -> None:
    reply = web.get(path)
    assert (reply.status_code, reply.headers["content-type"]) == (503, "application/problem+json")
    assert reply.json()["where"] == "redis"
    assert reply.headers["retry-after"] == "1"


def test_the_api_recovers_by_itself_when_redis_is_back(
    redis_server: RedisServer, web: TestClient, writer: Writer
) -> None:
    writer.latest("d1", NOW_MS, {"a": 1.0})
    assert web.get("/devices/d1").status_code == 200
    redis_server.stop()
    assert web.get("/devices/d1").status_code == 503
    redis_server.start()
    writer.latest("d1", NOW_MS, {"a": 2.0})
    assert web.get("/devices/d1").json()["metrics"]["a"]["value"] == 2.0


def test_figures_without_redis_say_unavailable_and_give_no_zero(outage: RedisServer, web: TestClient) -> None:
    figures = web.get("/metrics").json()
    assert figures["devices"]["state"] == "unavailable"
    assert (figures["devices"]["total"], figures["devices"]["tenants"]) == (None, None)


def test_figures_of_a_part_that_answers_stand_beside_parts_that_do_not(
    web: TestClient, writer: Writer
) -> None:
    writer.latest("d1", NOW_MS - 1_000, {"a": 1.0})
    writer.latest("d2", NOW_MS - 600_000, {"a": 1.0})
    figures = web.get("/metrics").json()
    devices = figures["devices"]
    assert (devices["total"], devices["online"], devices["offline"]) == (2, 1, 1)
    assert (devices["newest_event_age_ms"], devices["tenants"][0]["tenant"]) == (1_000, "demo")
    assert (figures["stream"]["state"], figures["stream"]["jobs"]) == ("unavailable", None)
    assert [gateway["state"] for gateway in figures["gateways"]] == ["unavailable", "unavailable"]


@pytest.mark.parametrize(
    "accept", ["text/plain", "application/openmetrics-text; version=1.0.0, text/plain;q=0.5"]
)
def test_a_scraper_gets_text(web: TestClient, writer: Writer, accept: str) -> None:
    writer.latest("d1", NOW_MS - 1_000, {"a": 1.0})
    reply = web.get("/metrics", headers={"Accept": accept})
    assert reply.headers["content-type"].startswith(accept.split(";")[0])
    names = {family.name for family in text_string_to_metric_families(reply.text)}
    assert {"millrace_up", "millrace_devices", "millrace_newest_event_time_seconds"} <= names


def test_health_tells_the_well_from_the_unwell_and_is_503(web: TestClient, writer: Writer) -> None:
    reply = web.get("/health")
    assert reply.status_code == 503
    states = {entry["name"]: entry["state"] for entry in reply.json()["dependencies"]}
    assert states == {
        "redis": "ok",
        "kafka": "unavailable",
        "flink": "unavailable",
        "postgres": "unavailable",
    }


def test_health_never_hangs_on_services_that_accept_and_stay_silent(
    redis_server: RedisServer, web: TestClient
) -> None:
    names = ("kafka", "flink_rest", "postgres")
    silent = [socket.create_server(("127.0.0.1", redis_server.config.port(name))) for name in names]
    began_s = time.monotonic()
    reply = web.get("/health")
    took_s = time.monotonic() - began_s
    for listener in silent:
        listener.close()
    assert reply.status_code == 503
    assert took_s < 2


def test_a_probe_that_never_returns_is_cut_off_after_a_second() -> None:
    async def never() -> None:
        await asyncio.Event().wait()

    dependency = asyncio.run(probe("silent", never))
    assert dependency.state == "unavailable"
    assert 900 < dependency.latency_ms < 2_000


def test_live_says_ok_whatever_is_down(outage: RedisServer, web: TestClient) -> None:
    assert web.get("/health/live").json() == {"state": "ok"}


def test_the_index_leads_only_to_endpoints_that_exist(web: TestClient) -> None:
    known = web.get("/openapi.json").json()["paths"].keys() | {"/docs", "/openapi.json"}
    assert {link.split("{?")[0] for link in web.get("/").json()["links"].values()} <= known


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/nowhere", 404), ("POST", "/devices", 405)])
def test_a_request_that_leads_nowhere_is_a_problem_too(
    web: TestClient, method: str, path: str, status: int
) -> None:
    reply = web.request(method, path)
    assert (reply.status_code, reply.headers["content-type"]) == (status, "application/problem+json")
    assert reply.json()["mend"]
