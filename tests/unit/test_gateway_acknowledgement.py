"""Nothing is acknowledged before the log has all of it; HTTP answers follow from that."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from threading import Thread

import httpx
import pytest
from prometheus_client import generate_latest
from pydantic import SecretStr

from ingest.gateway.buffered_socket import BufferedSocket
from ingest.gateway.intake import Delivery, Intake
from ingest.gateway.metrics import GatewayMetrics
from ingest.gateway.normalise import Envelope
from ingest.gateway.producer import OnAck, OnPlace
from ingest.protocols.http import HttpGateway, authenticate
from ingest.protocols.mqtt import Address, parse_topic
from millrace.secrets import Secrets

pytestmark = pytest.mark.gateway

NOW_MS = 1_767_225_600_000
ENVELOPE = Envelope(source="http", address="/v1/telemetry", tenant="demo", received_at=NOW_MS)
GOOD = b'{"device_id":"d1","metrics":{"a":1}}'
BAD = b'{"device_id":"d1","metrics":{"a":"x"}}'
SECRETS = Secrets(tenant_tokens={"demo": SecretStr("right"), "other": SecretStr("else")})


class MemoryLog:
    """A log that answers when it is polled, or when told to."""

    def __init__(self, error: str | None = None, silent: bool = False) -> None:
        self.kept: list[tuple[str, bytes | None]] = []
        self.error = error
        self.silent = silent
        self._waiting: list[OnAck] = []

    def produce(
        self, topic: str, key: bytes | None, value: bytes, on_ack: OnAck, on_place: OnPlace | None = None
    ) -> None:
        self.kept.append((topic, key))
        self._waiting.append(on_ack)

    def answer_next(self, error: str | None = None) -> None:
        self._waiting.pop(0)(error)

    def poll(self, timeout_s: float) -> int:
        while self._waiting and not self.silent:
            self.answer_next(self.error)
        return 0

    def flush(self, timeout_s: float) -> int:
        return self.poll(timeout_s)

    def has_room(self) -> bool:
        return True

    def pending(self) -> int:
        return len(self._waiting)

    def failure(self) -> str | None:
        return None


def take(log: MemoryLog, payload: bytes) -> tuple[Delivery, list[Delivery], GatewayMetrics]:
    metrics, done = GatewayMetrics("http"), list[Delivery]()
    delivery = Intake(log, metrics, lambda: NOW_MS + 20).take(payload, ENVELOPE, done.append)
    return delivery, done, metrics


def test_a_delivery_is_stored_only_when_its_last_part_is() -> None:
    log = MemoryLog()
    delivery, done, _ = take(log, b"[" + GOOD + b"," + BAD + b"]")
    assert log.kept == [("telemetry", b"demo/d1"), ("telemetry.dead-letter", b"demo/d1")]
    log.answer_next()
    assert (delivery.stored, done) == (False, [])
    log.answer_next()
    assert (delivery.stored, done) == (True, [delivery])


def test_one_part_refused_by_kafka_leaves_the_whole_delivery_unstored() -> None:
    log = MemoryLog()
    delivery, done, metrics = take(log, b"[" + GOOD + b"," + BAD + b"]")
    log.answer_next("gone")
    log.answer_next()
    assert (delivery.stored, delivery.error, done) == (False, "gone", [delivery])
    text = generate_latest(metrics.registry).decode()
    assert 'millrace_gateway_unstored_payloads_total{protocol="http"} 1.0' in text
    assert 'millrace_gateway_accepted_total{protocol="http"} 0.0' in text


def test_counters_move_with_the_acknowledgement_and_by_reason() -> None:
    log = MemoryLog()
    _, _, metrics = take(log, b"[" + GOOD + b"," + BAD + b"]")
    before = generate_latest(metrics.registry).decode()
    assert 'millrace_gateway_accepted_total{protocol="http"} 0.0' in before
    assert 'millrace_gateway_waiting_payloads{protocol="http"} 1.0' in before
    log.poll(0)
    after = generate_latest(metrics.registry).decode()
    assert 'millrace_gateway_accepted_total{protocol="http"} 1.0' in after
    assert 'rejected_total{protocol="http",reason="unknown_metric_type"} 1.0' in after
    assert 'millrace_gateway_kafka_ack_seconds_sum{protocol="http"} 0.02' in after


def post(log: MemoryLog, body: bytes, token: str = "right", **headers: str) -> httpx.Response:
    async def ask(client: httpx.AsyncClient) -> httpx.Response:
        sent = {"Authorization": f"Bearer {token}", **headers}
        return await client.post("/v1/telemetry", content=body, headers=sent)

    return asyncio.run(_with_app(log, ask))


async def _with_app(
    log: MemoryLog, ask: Callable[[httpx.AsyncClient], Awaitable[httpx.Response]]
) -> httpx.Response:
    gateway = HttpGateway(Intake(log, GatewayMetrics("http"), lambda: NOW_MS), SECRETS)
    transport = httpx.ASGITransport(gateway.app)
    async with (
        gateway.app.router.lifespan_context(gateway.app),
        httpx.AsyncClient(transport=transport, base_url="http://gateway") as client,
    ):
        return await ask(client)


def test_a_mixed_batch_is_accepted_with_its_rejections_listed() -> None:
    response = post(MemoryLog(), b"[" + BAD + b"," + GOOD + b"]")
    assert response.status_code == 202
    assert response.json()["accepted"] == 1
    assert [(r["index"], r["reason"]) for r in response.json()["rejected"]] == [(0, "unknown_metric_type")]


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (BAD, {}, 422),
        (b"{", {}, 422),
        (b"x" * 300_000, {}, 413),
        (b"no gzip", {"Content-Encoding": "gzip"}, 422),
        (GOOD, {"Content-Encoding": "br"}, 415),
    ],
)
def test_a_refused_request_says_so_by_its_status(body: bytes, headers: dict[str, str], status: int) -> None:
    assert post(MemoryLog(), body, **headers).status_code == status


def test_what_kafka_refuses_is_answered_by_try_again() -> None:
    response = post(MemoryLog(error="no broker"), GOOD)
    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) > 0


def test_a_silent_kafka_is_answered_by_try_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.protocols.http.KAFKA_WAIT_S", 0.05)
    assert post(MemoryLog(silent=True), GOOD).status_code == 503


def test_a_wrong_token_stores_nothing() -> None:
    log = MemoryLog()
    assert post(log, GOOD, token="wrong").status_code == 401
    assert log.kept == []


@pytest.mark.parametrize(
    ("header", "tenant"),
    [
        ("Bearer right", "demo"),
        ("bearer else", "other"),
        ("Basic right", None),
        ("Bearer ", None),
        ("", None),
        ("Bearer righ", None),
        ("Bearer r\u00efght", None),
    ],
)
def test_only_a_known_bearer_token_names_a_tenant(header: str, tenant: str | None) -> None:
    assert authenticate(header, SECRETS) == tenant


@pytest.mark.parametrize(
    ("topic", "speaker"),
    [
        ("t/demo/pump-1/telemetry", Address("demo", "pump-1")),
        ("t/demo/pump-1/state", None),
        ("t/demo/telemetry", None),
        ("t/demo/a/b/telemetry", None),
        ("t//pump-1/telemetry", None),
        ("x/demo/pump-1/telemetry", None),
    ],
)
def test_a_topic_names_its_speaker(topic: str, speaker: Address | None) -> None:
    assert parse_topic(topic) == speaker


def test_the_buffered_socket_keeps_writes_until_flush_and_reads_ahead() -> None:
    near, far = socket.socketpair()
    with far:
        buffered = BufferedSocket(near)
        buffered.setblocking(False)
        with pytest.raises(BlockingIOError):
            buffered.recv(1)
        far.sendall(b"abcdef")
        assert (buffered.recv(2), buffered.pending(), buffered.recv(10)) == (b"ab", 4, b"cdef")
        buffered.send(b"12")
        buffered.send(b"34")
        assert buffered.unsent() == 4
        buffered.flush()
        assert (far.recv(10), buffered.unsent()) == (b"1234", 0)


def test_the_last_words_arrive_though_the_other_side_still_talks() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    near = socket.create_connection(listener.getsockname())
    far, _ = listener.accept()
    with listener, far:
        far.sendall(b"unread" * 1_000)
        buffered = BufferedSocket(near)
        buffered.setblocking(False)
        buffered.send(b"bye")
        closing = Thread(target=buffered.close)
        closing.start()
        assert (far.recv(10), far.recv(10)) == (b"bye", b"")
        far.shutdown(socket.SHUT_WR)
        closing.join(0.5)
        assert not closing.is_alive()
