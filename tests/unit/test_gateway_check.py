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
    assert (log.kept, bool(taken.kept)) == ([], status in {202, 413, 422})
    assert 'payloads_total{protocol="http"} 0.0' in counted
