"""Asking the gateway what it would say of a message: the same answer, and nothing stored."""

import asyncio
import gzip

import httpx
import pytest
from prometheus_client import generate_latest

from ingest.gateway.intake import Intake
from ingest.gateway.metrics import GatewayMetrics
from ingest.protocols.http import HttpGateway
from tests.unit.test_gateway_acknowledgement import BAD, GOOD, NOW_MS, SECRETS, MemoryLog

pytestmark = [pytest.mark.sessions, pytest.mark.gateway]


def ask(path: str, body: bytes, headers: dict[str, str]) -> tuple[httpx.Response, MemoryLog, str]:
    async def post() -> httpx.Response:
        gateway = HttpGateway(Intake(log, metrics, lambda: NOW_MS), SECRETS)
        transport = httpx.ASGITransport(gateway.app)
        async with (
            gateway.app.router.lifespan_context(gateway.app),
            httpx.AsyncClient(transport=transport, base_url="http://gateway") as client,
        ):
            sent = {"Authorization": "Bearer right"} | headers
            return await client.post(path, content=body, headers=sent)

    log, metrics = MemoryLog(), GatewayMetrics("http")
    return asyncio.run(post()), log, generate_latest(metrics.registry).decode()


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (GOOD, {}, 202),
        (b"[" + BAD + b"," + GOOD + b"]", {}, 202),
        (gzip.compress(GOOD, mtime=0), {"Content-Encoding": "gzip"}, 202),
        (BAD, {}, 422),
        (b"[]", {}, 422),
        (b"{", {}, 422),
        (b"no gzip", {"Content-Encoding": "gzip"}, 422),
        (b"x" * 300_000, {}, 413),
        (GOOD, {"Content-Encoding": "br"}, 415),
        (GOOD, {"Content-Type": "application/json; charset=UTF-8"}, 202),
        (GOOD, {"Content-Type": "application/vnd.plant+json"}, 202),
        (GOOD, {"Content-Type": "application/octet-stream"}, 202),
        (GOOD, {"Content-Type": "application/x-www-form-urlencoded"}, 415),
        (GOOD, {"Content-Type": "text/plain;charset=UTF-8"}, 415),
        (GOOD, {"Content-Type": "multipart/form-data; boundary=x"}, 415),
        (GOOD, {"Content-Type": "application/json; charset=latin-1"}, 415),
        (GOOD, {"X-Device-Id": "d2"}, 422),
        (GOOD, {"Event_Time": "1767225600000"}, 422),
        (GOOD, {"X-Millrace-Tag": "a"}, 422),
        (GOOD, {"X-Tenant": "else"}, 422),
        (GOOD, {"X-Tenant": "demo"}, 202),
        (GOOD, {"Authorization": "Bearer wrong"}, 401),
    ],
)
def test_a_check_answers_what_the_telemetry_would_answer_and_stores_nothing(
    body: bytes, headers: dict[str, str], status: int
) -> None:
    checked, log, counted = ask("/v1/telemetry/check", body, headers)
    told, taken, _ = ask("/v1/telemetry", body, headers)
    assert (checked.status_code, checked.json()) == (told.status_code, told.json())
    assert checked.status_code == status
    said_nowhere = "error" in told.json()
    assert (log.kept, bool(taken.kept)) == ([], status in {202, 413, 422} and not said_nowhere)
    assert told.headers["X-Content-Type-Options"] == checked.headers["X-Content-Type-Options"] == "nosniff"
    assert 'payloads_total{protocol="http"} 0.0' in counted


@pytest.mark.parametrize("query", ["?device_id=d2", "?token=x", "?dry_run"])
def test_a_query_parameter_is_refused_and_named(query: str) -> None:
    told, log, _ = ask("/v1/telemetry" + query, GOOD, {})
    assert (told.status_code, log.kept) == (422, [])
    assert query.strip("?").partition("=")[0] in told.json()["error"]
