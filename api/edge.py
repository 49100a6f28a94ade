"""The API's outer edge: what no route should see is refused here, the same on every route.

A request is checked before a route runs: the Host it is meant for, text that no store can hold, the method,
the names of parameters, the media type, the size and the JSON of its body. Answers get the headers that
keep browsers from guessing types and from showing them in frames.
"""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote_to_bytes, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.contract_paths import ContractPaths, Operation
from api.problems import ProblemError, WrongParameterError, problem_response
from millrace.http_hosts import is_allowed_host
from millrace.nearest import did_you_mean
from millrace.settings import Settings
from millrace.strict_json import UnstorableError, parse_json, text_flaw

PROTECTION: Mapping[str, str] = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Content-Security-Policy": "frame-ancestors 'none'",
    "Referrer-Policy": "same-origin",
}
_WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_EMPTY = frozenset({b"", b"{}", b"null"})
# Routes find here what the contract says of their body.
SCOPE_KEY = "millrace.operation"


class Edge:
    """Refuses what the contract does not know; ASGI middleware."""

    def __init__(self, app: ASGIApp, *, contract: Callable[[], dict[str, Any]], config: Settings) -> None:
        self._app = app
        self._contract = contract
        self._config = config
        self._paths: ContractPaths | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check a request, then let the application answer it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = _Answer(send, is_head=scope["method"] == "HEAD")
        # Whatever can be read can be asked for without its body.
        inner = {**scope, "method": "GET"} if answer.is_head else scope
        try:
            operation = self._checked(inner)
            body = await self._body(inner, receive, operation)
        except ProblemError as error:
            await problem_response(scope["path"], error)(scope, receive, answer.send)
            return
        if body is None:
            return
        await self._app({**inner, SCOPE_KEY: operation}, _replayed(body, receive), answer.send)

    @property
    def paths(self) -> ContractPaths:
        """The contract's paths, read when they are first needed."""
        if self._paths is None:
            self._paths = ContractPaths(self._contract())
        return self._paths

    def _checked(self, scope: Scope) -> Operation | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not is_allowed_host(host, self._config):
            raise ProblemError(
                421,
                "unknown-host",
                f"This API does not serve the host {host!r}.",
                where="Host",
                mend="MILLRACE_HTTP__ALLOWED_HOSTS names the hosts it serves.",
            )
        _check_path(scope)
        query = _query(scope)
        matched = self.paths.match(scope["path"], scope["method"])
        if matched is None:
            return None
        if matched.operation is None:
            raise _wrong_method(scope, matched.methods)
        _check_names(query, matched.operation)
        if scope["method"] in _WRITES:
            _check_origin(headers, host)
            _check_media_type(headers, matched.operation)
        return matched.operation

    async def _body(self, scope: Scope, receive: Receive, operation: Operation | None) -> bytes | None:
        """Return the request's body; None when the client went away before it was whole."""
        headers = Headers(scope=scope)
        most = self._config.http.max_body_bytes
        if int(headers.get("content-length") or 0) > most:
            raise _too_large(most)
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            body += message.get("body", b"")
            if len(body) > most:
                raise _too_large(most)
            if not message.get("more_body"):
                break
        if operation is not None:
            _check_body(bytes(body), headers, operation)
        return bytes(body)


class _Answer:
    """Adds the headers of protection to an answer; takes its body off where only the head is asked for."""

    def __init__(self, send: Send, *, is_head: bool) -> None:
        self._send = send
        self.is_head = is_head

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in PROTECTION.items():
                if name == "Content-Security-Policy" and name in headers:
                    headers[name] = f"{headers[name]}; {value}"
                else:
                    headers.setdefault(name, value)
        elif self.is_head and message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await self._send(message)


def _replayed(body: bytes, receive: Receive) -> Receive:
    left = [body]

    async def again() -> Message:
        if left:
            return {"type": "http.request", "body": left.pop(), "more_body": False}
        return await receive()

    return again


def _check_path(scope: Scope) -> None:
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    flaw = _bytes_flaw(unquote_to_bytes(raw))
    if flaw:
        raise WrongParameterError("path", f"the path holds {flaw}", accepted="text in UTF-8 without NUL")


def _query(scope: Scope) -> list[tuple[str, str]]:
    text = scope["query_string"].decode("latin-1")
    try:
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=1_000)
    except UnicodeDecodeError:
        raise WrongParameterError(
            "query", "a parameter is no UTF-8", accepted="text in UTF-8, percent-encoded"
        ) from None
    except ValueError:
        raise WrongParameterError("query", "there are too many parameters", accepted="1000 at most") from None
    for name, value in pairs:
        if flaw := text_flaw(name) or text_flaw(value):
            shown = name if text_flaw(name) is None else "query"
            raise WrongParameterError(shown, f"the text holds {flaw}", accepted="text without it")
        if name == "cursor" and not value.isascii():
            raise WrongParameterError(
                "cursor", "the cursor is none that this API gave", accepted="`next_cursor` of an answer"
            )
    return pairs


def _bytes_flaw(data: bytes) -> str | None:
    try:
        return text_flaw(data.decode())
    except UnicodeDecodeError:
        return "bytes that are no UTF-8"


def _wrong_method(scope: Scope, methods: tuple[str, ...]) -> ProblemError:
    allowed = ", ".join(methods)
    return ProblemError(
        405,
        "method-not-allowed",
        f"{scope['path']} knows no {scope['method']}.",
        where="method",
        mend=f"Use {allowed}.",
        headers={"Allow": allowed},
    )


def _check_names(query: list[tuple[str, str]], operation: Operation) -> None:
    known = operation.parameters
    accepted = f"one of {', '.join(known)}" if known else "no parameter here"
    seen: set[str] = set()
    for name, _ in query:
        if name not in known:
            raise WrongParameterError(
                name, f"there is no parameter {name!r}{did_you_mean(name, known)}", accepted=accepted
            )
        if name in seen and name not in operation.lists:
            raise WrongParameterError(name, f"the parameter {name!r} is given twice", accepted="one value")
        seen.add(name)


def _check_origin(headers: Headers, host: str) -> None:
    # A page of another site may send some requests without being asked for leave first.
    origin = headers.get("origin")
    if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
        raise ProblemError(
            403,
            "other-origin",
            f"A page of {origin!r} may not change anything here.",
            where="Origin",
            mend="Write from a page of this API's own address, or from a program, which sends no Origin.",
        )


def _check_media_type(headers: Headers, operation: Operation) -> None:
    given = headers.get("content-type")
    wanted = operation.media_types or ("application/json",)
    has_body = headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
    if given is None and not has_body:
        return
    name, _, parameters = (given or "").lower().partition(";")
    is_json = name.strip().endswith("+json") and "application/json" in wanted
    charset = parameters.partition("charset=")[2].strip().strip('"')
    encoding = headers.get("content-encoding", "identity").lower()
    if (name.strip() not in wanted and not is_json) or charset not in ("", "utf-8") or encoding != "identity":
        raise ProblemError(
            415,
            "wrong-media-type",
            f"A body of type {given or 'unknown'!r} is not read here"
            + (f", nor one that is encoded as {encoding!r}." if encoding != "identity" else "."),
            where="Content-Type",
            mend=f"Send Content-Type: {' or '.join(wanted)}, in UTF-8.",
        )


def _check_body(body: bytes, headers: Headers, operation: Operation) -> None:
    if not operation.media_types:
        if body.strip() not in _EMPTY:
            raise WrongParameterError("body", "this operation takes no body", accepted="no body")
        return
    is_json = "json" in headers.get("content-type", "").partition(";")[0]
    if not (body and is_json):
        return
    try:
        parse_json(body)
    except UnstorableError as error:
        what = error.what if error.place else f"the body {error.what}"
        raise WrongParameterError(error.place or "body", what, accepted="JSON in UTF-8 (RFC 8259)") from None


def _too_large(most: int) -> ProblemError:
    return ProblemError(
        413,
        "too-large",
        f"The body is larger than {most} bytes.",
        where="body",
        mend="Send it in parts; MILLRACE_HTTP__MAX_BODY_BYTES is the limit.",
    )
