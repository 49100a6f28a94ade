"""`GET /health`: asks every dependency something only it can answer, with one second for each."""

import asyncio
import struct
from collections.abc import Awaitable, Callable
from time import perf_counter

import httpx
import msgspec
from redis.exceptions import RedisError

from api.answers import Dependency, Health
from api.queries.flink import FlinkError, cluster_size
from api.queries.hot_store import HotStore
from millrace.settings import Settings

TIMEOUT_S = 1.0
_WENT_WRONG = (OSError, EOFError, TimeoutError, RedisError, httpx.HTTPError, msgspec.DecodeError, FlinkError)
_CORRELATION = 7
# ApiVersions v0 with an empty client id, framed by its length.
_KAFKA_API_VERSIONS = struct.pack(">ihhih", 10, 18, 0, _CORRELATION, 0)
_POSTGRES_SSL_REQUEST = struct.pack(">ii", 8, 80877103)


class UnwellError(OSError):
    """A service answers, and what it says is that it cannot work."""


async def check_health(store: HotStore, web: httpx.AsyncClient, config: Settings) -> Health:
    """Ask all dependencies at once; takes at most TIMEOUT_S."""
    flink = config.address("flink_rest")
    dependencies = await asyncio.gather(
        probe("redis", lambda: _ask_redis(store)),
        probe("kafka", lambda: _ask_kafka(config.bind_host, config.port("kafka"))),
        probe("flink", lambda: _ask_flink(web, flink)),
        probe("postgres", lambda: _ask_postgres(config.bind_host, config.port("postgres"))),
    )
    well = all(dependency.state == "ok" for dependency in dependencies)
    return Health(state="ok" if well else "unavailable", dependencies=list(dependencies))


async def probe(name: str, ask: Callable[[], Awaitable[str | None]]) -> Dependency:
    """Ask one dependency; whatever goes wrong or takes too long makes it unavailable."""
    began_s = perf_counter()
    try:
        async with asyncio.timeout(TIMEOUT_S):
            detail = await ask()
        state = "ok"
    except _WENT_WRONG as error:
        state, detail = "unavailable", f"{type(error).__name__}: {error}".rstrip(": ")
    latency_ms = round((perf_counter() - began_s) * 1000, 2)
    return Dependency.model_validate(
        {"name": name, "state": state, "latency_ms": latency_ms, "detail": detail}
    )


async def _ask_redis(store: HotStore) -> None:
    await store.ping()


async def _ask_flink(web: httpx.AsyncClient, address: str) -> str:
    size = await cluster_size(web, address)
    if not size.task_managers:
        raise UnwellError("no TaskManager is registered")
    return f"{size.task_managers} TaskManager(s), {size.jobs_running} job(s) running"


async def _ask_kafka(host: str, port: int) -> None:
    reply = await _exchange(host, port, _KAFKA_API_VERSIONS, 8)
    if struct.unpack(">ii", reply)[1] != _CORRELATION:
        raise UnwellError("the port is not a Kafka broker's")


async def _ask_postgres(host: str, port: int) -> None:
    if await _exchange(host, port, _POSTGRES_SSL_REQUEST, 1) not in {b"S", b"N"}:
        raise UnwellError("the port is not a PostgreSQL server's")


async def _exchange(host: str, port: int, question: bytes, reply_bytes: int) -> bytes:
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(question)
        return await reader.readexactly(reply_bytes)
    finally:
        writer.close()
