"""Time limits of our HTTP servers, which uvicorn alone does not have: head, body and idle connection.

A client that sends a byte now and then would hold a connection for ever, and a few hundred of them a server.
"""

import asyncio
from typing import Any, NamedTuple

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from millrace.settings import Http


class _Refusal(NamedTuple):
    status: bytes
    text: bytes


_SLOW_HEAD = _Refusal(b"408 Request Timeout", b"the head of the request took too long")
_SLOW_BODY = _Refusal(b"408 Request Timeout", b"the body of the request took too long")
_LARGE_HEAD = _Refusal(b"431 Request Header Fields Too Large", b"the head of the request is too large")


def limited_protocol(limits: Http) -> type[HttpToolsProtocol]:
    """Return a protocol for `uvicorn.Config(http=...)` that ends connections beyond the limits."""

    class LimitedProtocol(_Limited):
        pass

    LimitedProtocol.limits = limits
    return LimitedProtocol


def limited_options(limits: Http) -> dict[str, Any]:
    """Return the arguments of `uvicorn.Config` that hold the limits."""
    return {
        "http": limited_protocol(limits),
        "timeout_keep_alive": limits.idle_timeout_ms / 1000,
        "ws": "none",
    }


class _Limited(HttpToolsProtocol):
    """Counts the time from the first wait for a head to its end, and from there to the end of the body."""

    limits: Http
    _deadline: asyncio.TimerHandle | None = None
    _head_bytes = 0
    _in_head = True

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        # A connection that never says anything is idle from the start.
        self._wait(self.limits.header_timeout_ms, _SLOW_HEAD)

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._in_head:
            self._head_bytes += len(data)
            if self._deadline is None:
                self._wait(self.limits.header_timeout_ms, _SLOW_HEAD)
        super().data_received(data)
        if self._in_head and self._head_bytes > self.limits.max_header_bytes:
            self._refuse(_LARGE_HEAD)

    def on_headers_complete(self) -> None:
        self._in_head, self._head_bytes = False, 0
        self._wait(self.limits.body_timeout_ms, _SLOW_BODY)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._in_head = True
        self._cancel()
        super().on_message_complete()

    def _wait(self, timeout_ms: int, refusal: _Refusal) -> None:
        self._cancel()
        self._deadline = self.loop.call_later(timeout_ms / 1000, self._refuse, refusal)

    def _cancel(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _refuse(self, refusal: _Refusal) -> None:
        self._cancel()
        if self.transport.is_closing():
            return
        if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
            self.transport.write(_response(refusal))
        if self.cycle is not None:
            # The application must not write behind the refusal.
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.transport.close()


def _response(refusal: _Refusal) -> bytes:
    return (
        b"HTTP/1.1 "
        + refusal.status
        + b"\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: "
        + str(len(refusal.text)).encode()
        + b"\r\nconnection: close\r\n\r\n"
        + refusal.text
    )
