"""HTTP: `POST /v1/telemetry` with a tenant's bearer token; 202 only when Kafka has every part."""

import asyncio
import hmac
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import uvicorn
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ingest.gateway.body import read_body
from ingest.gateway.intake import Delivery, Intake, Parts
from ingest.gateway.normalise import Envelope, Rejection
from ingest.gateway.protocol import Protocol
from ingest.gateway.reasons import Reason
from millrace.http_limits import limited_options
from millrace.secrets import Secrets, load_secrets
from millrace.settings import Settings

PATH = "/v1/telemetry"
CHECK_PATH = "/v1/telemetry/check"
KAFKA_WAIT_S = 10.0
RETRY_AFTER_S = 5
MAX_REQUESTS = 1_024
_JSON_TYPES = frozenset({"", "application/json", "text/json", "application/octet-stream"})
_SEND_JSON = "the body must be JSON in UTF-8: send Content-Type: application/json (curl: --json), or none"
_TENANT_HEADERS = frozenset({"tenant", "tenant-id"})
_FIELD_HEADERS = frozenset(
    {
        "device", "device-id", "deviceid", "event-id", "event-time", "timestamp", "metrics", "location",
        "attributes", "on-conflict", "idempotency-key", "message-id",
    }
)  # fmt: skip
_POLL_S = 0.001
# An idle gateway still looks after its log: the account of the last readings is told once a second.
_IDLE_S = 0.5
OnPayload = Callable[[bytes | Rejection, str], Awaitable[Response]]


class HttpGateway:
    """The application: authenticates, reads, hands over, waits for Kafka, answers."""

    def __init__(self, intake: Intake, secrets: Secrets) -> None:
        self._intake = intake
        self._secrets = secrets
        self._produced = asyncio.Event()
        routes = [
            Route(PATH, self.telemetry, methods=["POST"]),
            Route(CHECK_PATH, self.check, methods=["POST"]),
            Route("/health", self.health),
        ]
        self.app = Starlette(
            routes=routes, lifespan=self._lifespan, middleware=[Middleware(_WithoutGuessing)]
        )

    async def telemetry(self, request: Request) -> Response:
        """Take one reading or an array of readings."""
        return await self._with_payload(request, self._store)

    async def check(self, request: Request) -> Response:
        """Answer as `telemetry` would; nothing is stored and no dead letter is written."""
        return await self._with_payload(request, self._judge)

    async def _with_payload(self, request: Request, act: OnPayload) -> Response:
        tenant = authenticate(request.headers.get("authorization", ""), self._secrets)
        if tenant is None:
            headers = {"WWW-Authenticate": "Bearer"}
            return JSONResponse({"error": "unknown token"}, 401, headers)
        misplaced = ignored(request, tenant)
        if misplaced:
            return JSONResponse({"error": misplaced}, 422)
        if not is_json(request.headers.get("content-type", "")):
            return JSONResponse({"error": _SEND_JSON}, 415, {"Accept": "application/json"})
        encoding = request.headers.get("content-encoding", "identity").lower()
        if encoding not in ("gzip", "identity"):
            return JSONResponse({"error": "send gzip or plain"}, 415, {"Accept-Encoding": "gzip, identity"})
        with suppress(ClientDisconnect):
            payload = await read_body(request.stream(), encoding == "gzip")
            return await act(payload, tenant)
        return Response(status_code=400)

    async def health(self, _request: Request) -> Response:
        """Say whether this process can go on, and how much waits for Kafka."""
        failure = self._intake.log.failure()
        report = {"status": failure or "ok", "protocol": PROTOCOL.name, "waiting": self._intake.log.pending()}
        return JSONResponse(report, 503 if failure else 200)

    async def _store(self, payload: bytes | Rejection, tenant: str) -> Response:
        try:
            async with asyncio.timeout(KAFKA_WAIT_S):
                await self._room()
                delivery = await self._deliver(payload, tenant)
        except TimeoutError:
            return _unavailable("Kafka does not answer")
        return answer(delivery)

    async def _judge(self, payload: bytes | Rejection, tenant: str) -> Response:
        envelope = self._envelope(tenant)
        found: Parts = [payload] if isinstance(payload, Rejection) else self._intake.judge(payload, envelope)
        rejections = [part for part in found if isinstance(part, Rejection)]
        return verdict(len(found) - len(rejections), rejections)

    def _envelope(self, tenant: str) -> Envelope:
        return Envelope(source=PROTOCOL.name, address=PATH, tenant=tenant, received_at=self._intake.now_ms())

    async def _room(self) -> None:
        while not self._intake.log.has_room():
            await asyncio.sleep(_POLL_S)

    async def _deliver(self, payload: bytes | Rejection, tenant: str) -> Delivery:
        envelope = self._envelope(tenant)
        answered: asyncio.Future[Delivery] = asyncio.get_running_loop().create_future()

        def done(delivery: Delivery) -> None:
            if not answered.done():
                answered.set_result(delivery)

        if isinstance(payload, Rejection):
            self._intake.deliver([payload], len(payload.original), envelope, done)
        else:
            self._intake.take(payload, envelope, done)
        self._produced.set()
        return await answered

    @asynccontextmanager
    async def _lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        pump = asyncio.create_task(self._pump())
        yield
        pump.cancel()
        with suppress(asyncio.CancelledError):
            await pump

    async def _pump(self) -> None:
        """Turn Kafka's answers into answered requests, in the event loop's own thread."""
        while True:
            self._produced.clear()
            self._intake.log.poll(0)
            if self._intake.log.pending():
                await asyncio.sleep(_POLL_S)
            else:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._produced.wait(), _IDLE_S)


class _WithoutGuessing:
    """Tells whoever shows an answer not to guess its type; ASGI middleware."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["X-Content-Type-Options"] = "nosniff"
            await send(message)

        await self._app(scope, receive, answer)


def is_json(content_type: str) -> bool:
    """Tell whether a body is said to be JSON in UTF-8; small devices say nothing, or that it is bytes."""
    kind, _, parameters = content_type.lower().partition(";")
    charsets = [value.strip(' "') for name, _, value in _pairs(parameters) if name.strip() == "charset"]
    if any(charset not in ("utf-8", "utf8", "us-ascii") for charset in charsets):
        return False
    kind = kind.strip()
    return kind in _JSON_TYPES or (kind.startswith("application/") and kind.endswith("+json"))


def _pairs(parameters: str) -> list[tuple[str, str, str]]:
    return [parameter.partition("=") for parameter in parameters.split(";")]


def ignored(request: Request, tenant: str) -> str | None:
    """Return what is said where nobody listens: in a query parameter, in a header named like a field."""
    if request.url.query:
        name = request.url.query.partition("&")[0].partition("=")[0][:80]
        return f"this address knows no query parameter {name!r}; what is said of a reading stands in its JSON"
    for name, value in request.headers.items():
        plain = name.removeprefix("x-").removeprefix("millrace-").replace("_", "-")
        if plain in _TENANT_HEADERS and value.strip() != tenant:
            return f"header {name!r} names tenant {value[:64]!r}; the token's is {tenant!r}"
        if plain in _FIELD_HEADERS or (plain not in _TENANT_HEADERS and "millrace-" in name):
            return f"header {name!r} is not read; what is said of a reading stands in its JSON"
    return None


def authenticate(authorization: str, secrets: Secrets) -> str | None:
    """Return the tenant a bearer token belongs to; takes as long for a wrong token as for a right one."""
    scheme, _, token = authorization.partition(" ")
    given = token.strip().encode()
    found = [
        tenant
        for tenant, known in secrets.tenant_tokens.items()
        if hmac.compare_digest(known.get_secret_value().encode(), given)
    ]
    return found[0] if found and scheme.lower() == "bearer" else None


def answer(delivery: Delivery) -> Response:
    """Say what was accepted and what was refused: 202, 413 or 422; 503 when Kafka refused."""
    if not delivery.stored:
        return _unavailable("Kafka did not take it")
    return verdict(delivery.accepted, delivery.rejections)


def verdict(accepted: int, rejections: list[Rejection]) -> Response:
    """Name every refused element of a payload; 202 when one reading at least is good."""
    rejected = [
        {"index": rejection.index, "reason": rejection.reason.value, "detail": rejection.detail}
        for rejection in rejections
    ]
    return JSONResponse({"accepted": accepted, "rejected": rejected}, _status(accepted, rejections))


def _status(accepted: int, rejections: list[Rejection]) -> int:
    if accepted:
        return 202
    return 413 if rejections[0].reason is Reason.OVERSIZE else 422


def _unavailable(why: str) -> Response:
    return JSONResponse({"error": why}, 503, {"Retry-After": str(RETRY_AFTER_S)})


def run(intake: Intake, settings: Settings, instance: int) -> None:
    """Serve HTTP until SIGTERM; instance n listens n ports above the first."""
    gateway = HttpGateway(intake, load_secrets(settings))
    config = uvicorn.Config(
        gateway.app,
        host=settings.bind_host,
        port=settings.port("gateway_http") + instance,
        access_log=False,
        log_config=None,
        limit_concurrency=MAX_REQUESTS,
        timeout_graceful_shutdown=15,
        server_header=False,
        **limited_options(settings.http),
    )
    server = uvicorn.Server(config)
    # uvicorn raises the signal again once it is done; left to the default it would end the process there.
    signal.signal(signal.SIGTERM, server.handle_exit)
    signal.signal(signal.SIGINT, server.handle_exit)
    server.run()


# Kafka's client gives a message up before the request does, so that a 503 is not followed by a late write.
PROTOCOL = Protocol(name="http", metrics_offset=1, give_up_ms=9_000, run=run)
