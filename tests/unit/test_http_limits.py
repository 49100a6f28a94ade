"""A client that is slow or silent is cut off; one that keeps to the limits is not."""

import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn

from millrace.http_limits import limited_options
from millrace.settings import Http

pytestmark = [pytest.mark.web]
LIMITS = Http(header_timeout_ms=400, body_timeout_ms=400, idle_timeout_ms=300, max_header_bytes=2_048)
BODY = 20


async def _echo(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        return
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    length = str(len(body)).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        number: int = free.getsockname()[1]
    config = uvicorn.Config(
        _echo, host="127.0.0.1", port=number, lifespan="off", log_level="error", **limited_options(LIMITS)
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield number
    server.should_exit = True
    thread.join(10)


def drip(port: int, text: bytes, every_s: float, first: bytes = b"") -> tuple[bytes, float]:
    """Send a text byte by byte until the server closes; its answer, and how long it held the connection."""
    began_s = time.monotonic()
    answer = b""
    with socket.create_connection(("127.0.0.1", port), timeout=every_s) as client:
        client.sendall(first)
        for byte in text:
            try:
                client.sendall(bytes([byte]))
                part = client.recv(65_536)
            except TimeoutError:
                continue
            except OSError:
                break
            answer += part
            if not part or b"200 OK" in answer:
                break
    return answer, time.monotonic() - began_s


HEAD = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % BODY


def test_a_head_of_one_byte_in_a_while_is_cut_off(port: int) -> None:
    answer, held_s = drip(port, HEAD * 3, 0.05)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert 0.3 < held_s < 2


def test_a_body_of_one_byte_in_a_while_is_cut_off(port: int) -> None:
    answer, held_s = drip(port, b"x" * (BODY - 1), 0.05, HEAD)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert 0.3 < held_s < 2


def test_a_chunked_body_that_never_ends_is_cut_off(port: int) -> None:
    head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    answer, held_s = drip(port, b"1\r\nx\r\n" * 20, 0.05, head)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert held_s < 2


def silence(port: int, first: bytes) -> tuple[bytes, float]:
    """Send something once and wait until the server closes."""
    began_s = time.monotonic()
    answer = b""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
        client.sendall(first)
        while part := client.recv(65_536):
            answer += part
    return answer, time.monotonic() - began_s


@pytest.mark.parametrize("first", [b"", b"GET / HT", HEAD])
def test_a_connection_that_falls_silent_is_closed(port: int, first: bytes) -> None:
    answer, held_s = silence(port, first)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert held_s < 2


def test_an_idle_connection_is_closed_after_its_answer(port: int) -> None:
    answer, held_s = silence(port, HEAD + b"x" * BODY)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(b"x" * BODY)
    assert 0.2 < held_s < 2


def test_many_requests_of_one_connection_take_longer_than_one_may(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
        for _ in range(8):
            client.sendall(HEAD)
            time.sleep(0.1)
            client.sendall(b"x" * BODY)
            answer = b""
            while not answer.endswith(b"x" * BODY):
                answer += client.recv(65_536)
            assert answer.startswith(b"HTTP/1.1 200 ")


def test_a_head_that_grows_without_end_is_refused(port: int) -> None:
    began_s = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
        client.sendall(b"GET / HTTP/1.1\r\n")
        answer = b""
        for _ in range(100):
            try:
                client.sendall(b"X-Filler: " + b"a" * 100 + b"\r\n")
            except OSError:
                break
            time.sleep(0.002)
        try:
            answer = client.recv(65_536)
        except ConnectionResetError:
            pytest.fail("the answer was lost")
    assert answer.startswith(b"HTTP/1.1 431 ")
    assert time.monotonic() - began_s < 1
