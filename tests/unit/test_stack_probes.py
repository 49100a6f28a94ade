"""Probes say yes only to the right answer, and no to silence, strangers and a closed port."""

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from millrace.errors import MillraceError
from millrace.settings import Ports, Settings
from millrace.stack import probes
from millrace.stack.occupancy import is_free, require_free
from millrace.stack.service import Service

pytestmark = pytest.mark.stack

Answer = Callable[[bytes], bytes]


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Callable[[Answer], Settings]]:
    """A server that gives one scripted answer, on a port every probe is pointed at."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def serve(answer: Answer) -> Settings:
            def run() -> None:
                link, _ = server.accept()
                with link:
                    link.sendall(answer(link.recv(4096)))

            threading.Thread(target=run, daemon=True).start()
            ports = Ports(mqtt=port, kafka=port, redis=port, api=port)
            return Settings(home=tmp_path, ports=ports)

        yield serve


def metadata(brokers: int) -> bytes:
    return b"".join(number.to_bytes(4, "big") for number in (100, 1, 0, brokers))


@pytest.mark.parametrize(("brokers", "ready"), [(0, False), (1, True)])
def test_kafka_is_ready_when_it_lists_a_broker(
    served: Callable[[Answer], Settings], brokers: int, ready: bool
) -> None:
    assert probes.kafka_answers(served(lambda _: metadata(brokers))) is ready


@pytest.mark.parametrize(
    ("reply", "ready"),
    [
        (b"+OK\r\n+PONG\r\n", True),
        (b"-WRONGPASS invalid username-password pair\r\n-NOAUTH\r\n", False),
        (b"+OK\r\n-LOADING Redis is loading\r\n", False),
    ],
)
def test_redis_is_ready_when_it_answers_ping_after_the_login(
    served: Callable[[Answer], Settings], reply: bytes, ready: bool
) -> None:
    assert probes.redis_answers(served(lambda _: reply)) is ready


@pytest.mark.parametrize(("code", "ready"), [(0, True), (5, False)])
def test_mosquitto_is_ready_when_it_accepts_the_gateway(
    served: Callable[[Answer], Settings], code: int, ready: bool
) -> None:
    assert probes.mqtt_answers(served(lambda _: b"\x20\x02\x00" + bytes([code])), "gateway", "x") is ready


def test_an_answer_that_is_no_json_is_none_and_an_error_status_still_answers(
    served: Callable[[Answer], Settings],
) -> None:
    unwell = b"HTTP/1.0 503 Unavailable\r\nContent-Length: 0\r\n\r\n"
    assert probes.http_answers(served(lambda _: unwell), "api", "/health")
    text = b"HTTP/1.0 200 OK\r\n\r\n<html>"
    assert probes.http_json(served(lambda _: text), "api", "/health") is None


def test_nobody_there_is_not_ready(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    nowhere = Settings(home=tmp_path, ports=Ports(kafka=port, redis=port, mqtt=port, api=port))
    assert not probes.kafka_answers(nowhere)
    assert not probes.redis_answers(nowhere)
    assert not probes.mqtt_answers(nowhere, "gateway", "x")
    assert not probes.http_answers(nowhere, "api", "/health")


def test_a_taken_port_is_named_with_its_holder_and_the_setting_that_moves_it(tmp_path: Path) -> None:
    redis = Service(name="redis", about="Redis", ports=("redis",), command=lambda _: [])
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert not is_free("127.0.0.1", port)
        with pytest.raises(MillraceError, match=rf"port {port}, which redis needs, is taken by") as caught:
            require_free(Settings(home=tmp_path, ports=Ports(redis=port)), redis)
    assert "MILLRACE_PORTS__REDIS" in caught.value.mend
    assert is_free("127.0.0.1", port)
