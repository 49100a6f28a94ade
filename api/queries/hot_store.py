"""All reads of Redis: the keys of `schemas/redis/keyspace.yaml`, as typed values."""

from collections.abc import AsyncIterator, Awaitable, Iterable, Sequence
from typing import Any, NamedTuple, cast

from redis.asyncio import BlockingConnectionPool, Redis

from millrace.secrets import load_secrets
from millrace.settings import Settings
from udfs.hot_series import HOUR_MS, device_key, devices_key, hour_start, series_key

TIMEOUT_S = 1.0
_CHUNK = 500
# Hour strings that travel together: some 3 MB.
_HOURS_AT_ONCE = 200


class IndexEntry(NamedTuple):
    """A device in its tenant's index with its newest event time, UTC epoch milliseconds."""

    last_seen_ms: int
    device_id: str


class TenantCounts(NamedTuple):
    """How many devices a tenant has, how many are online, and its newest event time."""

    total: int
    online: int
    newest_event_ms: int | None


def connect(config: Settings) -> Redis:
    """Return a client of the stack's Redis; it connects at first use and again after a loss."""
    pool = BlockingConnectionPool(
        host=config.bind_host,
        port=config.port("redis"),
        password=load_secrets(config).redis.get_secret_value(),
        socket_timeout=TIMEOUT_S,
        socket_connect_timeout=TIMEOUT_S,
        max_connections=32,
        # How long a request waits for its turn; without it a burst would be told that Redis is gone.
        timeout=1,
    )
    return Redis.from_pool(pool)


class HotStore:
    """The last 24 hours and the newest state; every method raises RedisError when Redis is gone."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def ping(self) -> None:
        """Return when Redis answers."""
        await cast(Awaitable[Any], self._redis.ping())

    async def close(self) -> None:
        """Give the connections back."""
        await self._redis.aclose()

    async def tenants(self) -> list[str]:
        """Return every tenant that has a device, sorted."""
        members = await cast(Awaitable[set[bytes]], self._redis.smembers("tenants"))
        return sorted(member.decode() for member in members)

    async def tenant_counts(self, tenant: str, online_since_ms: int, now_ms: int) -> TenantCounts:
        """Count the devices of a tenant; the newest event time is not later than now."""
        pipe = self._redis.pipeline(transaction=False)
        pipe.zcard(devices_key(tenant))
        pipe.zcount(devices_key(tenant), online_since_ms, "+inf")
        pipe.zrevrangebyscore(devices_key(tenant), now_ms, "-inf", start=0, num=1, withscores=True)
        total, online, newest = await pipe.execute()
        return TenantCounts(total, online, int(newest[0][1]) if newest else None)

    async def entries(self, tenant: str) -> list[IndexEntry]:
        """Return every device of a tenant, oldest first."""
        rows = await self._redis.zrange(devices_key(tenant), 0, -1, withscores=True)
        return [_entry(row) for row in rows]

    async def fields(
        self, tenant: str, device_ids: Sequence[str], names: Sequence[str]
    ) -> list[list[bytes | None]]:
        """Return some fields of the newest-state hash of each device, None where there is none."""
        found: list[list[bytes | None]] = []
        for start in range(0, len(device_ids), _CHUNK):
            pipe = self._redis.pipeline(transaction=False)
            for device_id in device_ids[start : start + _CHUNK]:
                pipe.hmget(device_key(tenant, device_id), list(names))
            found += await pipe.execute()
        return found

    async def device_states(self, tenant: str, device_ids: Iterable[str]) -> list[dict[bytes, bytes]]:
        """Return the newest-state hash of each device; an unknown one gives an empty hash."""
        pipe = self._redis.pipeline(transaction=False)
        for device_id in device_ids:
            pipe.hgetall(device_key(tenant, device_id))
        return cast(list[dict[bytes, bytes]], await pipe.execute())

    async def device(self, tenant: str, device_id: str) -> tuple[int | None, dict[bytes, bytes]]:
        """Return a device's last-seen time in the index and its newest-state hash."""
        pipe = self._redis.pipeline(transaction=False)
        pipe.zscore(devices_key(tenant), device_id)
        pipe.hgetall(device_key(tenant, device_id))
        score, state = await pipe.execute()
        return (None if score is None else int(score)), state

    async def hours(
        self, tenant: str, series: Sequence[tuple[str, str]], from_ms: int, to_ms: int
    ) -> AsyncIterator[tuple[tuple[str, str], list[tuple[int, bytes]]]]:
        """Yield each device and metric with (hour start in ms, hour string) of hours in [from_ms, to_ms)."""
        starts: Sequence[int] = range(hour_start(from_ms), to_ms, HOUR_MS)
        at_once = max(1, _HOURS_AT_ONCE // max(1, len(starts)))
        for some in (series[place : place + at_once] for place in range(0, len(series), at_once)):
            keys = [series_key(tenant, *one, start) for one in some for start in starts]
            stored = iter(await self._redis.mget(keys) if keys else ())
            for one in some:
                yield one, [(start, value) for start, value in zip(starts, stored, strict=False) if value]


def _entry(row: tuple[bytes, float]) -> IndexEntry:
    return IndexEntry(int(row[1]), row[0].decode())
