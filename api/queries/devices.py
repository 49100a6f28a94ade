"""`GET /devices`: the devices of a tenant and their newest state."""

import base64
import binascii
from typing import Any, Literal, NamedTuple

from api.answers import Device, DevicePage, LatestValue, Location
from api.problems import ProblemError, WrongParameterError
from api.queries.hot_store import HotStore, IndexEntry, SeenBetween
from api.queries.presence import ONLINE_WITHIN_MS, Wanted, is_online, matching, presence
from millrace.clock import to_iso
from millrace.strict_json import check_storable
from udfs.latest import is_metric, parse_latest

Order = Literal["newest", "id"]


class DeviceState(NamedTuple):
    """What Redis knows of one device."""

    last_seen_ms: int
    received_at_ms: int | None
    latest: dict[str, LatestValue]
    location: Location | None
    presence: dict[str, Any]


def parse_state(last_seen_ms: int | None, stored: dict[bytes, bytes]) -> DeviceState | None:
    """Decode a device's index time and hash, of which one may be absent; None when both are."""
    times = [last_seen_ms, _time(stored, b"@event_time")]
    seen_ms = max((time_ms for time_ms in times if time_ms is not None), default=None)
    if seen_ms is None:
        return None
    location = stored.get(b"@location")
    return DeviceState(
        last_seen_ms=seen_ms,
        received_at_ms=_time(stored, b"@received_at"),
        latest={name.decode(): _latest(stored[name]) for name in sorted(stored) if is_metric(name)},
        location=Location.model_validate_json(location) if location else None,
        presence=presence(stored),
    )


def _time(stored: dict[bytes, bytes], field: bytes) -> int | None:
    return int(stored[field]) if field in stored else None


def _latest(stored: bytes) -> LatestValue:
    newest = parse_latest(stored)
    return LatestValue(value=newest.value, time=to_iso(newest.event_time_ms), time_ms=newest.event_time_ms)


async def load_state(store: HotStore, tenant: str, device_id: str) -> DeviceState:
    """Return a device's newest state; raise ProblemError (404) when nothing is known of it."""
    state = parse_state(*await store.device(tenant, device_id))
    if state is None:
        raise ProblemError(
            404,
            "unknown-device",
            f"Tenant {tenant!r} has no device {device_id!r}.",
            where="device_id",
            mend=f"GET /devices?tenant={tenant} lists the devices that have sent readings.",
        )
    return state


def describe(tenant: str, device_id: str, state: DeviceState, now_ms: int) -> Device:
    """Shape a device's state as the answer."""
    received_at_ms = state.received_at_ms
    return Device(
        tenant=tenant,
        device_id=device_id,
        last_seen=to_iso(state.last_seen_ms),
        last_seen_ms=state.last_seen_ms,
        freshness_ms=now_ms - state.last_seen_ms,
        online=is_online(state.presence["state"], state.last_seen_ms, now_ms),
        **state.presence,
        received_at=None if received_at_ms is None else to_iso(received_at_ms),
        received_at_ms=received_at_ms,
        metrics=state.latest,
        location=state.location,
    )


def encode_cursor(entry: IndexEntry) -> str:
    """Return the cursor of the page that follows this device."""
    plain = f"{entry.last_seen_ms}:{entry.device_id}".encode()
    return base64.urlsafe_b64encode(plain).decode().rstrip("=")


def decode_cursor(cursor: str) -> IndexEntry:
    """Read a cursor; raise WrongParameterError when it is none of ours."""
    try:
        plain = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        last_seen_ms, device_id = plain.decode().split(":", 1)
        check_storable(device_id)
        return IndexEntry(int(last_seen_ms), device_id)
    except (binascii.Error, ValueError):
        raise WrongParameterError(
            "cursor", "the cursor is none that this API gave", accepted="`next_cursor` of an earlier answer"
        ) from None


async def list_devices(
    store: HotStore, tenant: str, wanted: Wanted, order: Order, limit: int, cursor: str | None, now_ms: int
) -> DevicePage:
    """Return one page of a tenant's devices."""
    after = decode_cursor(cursor) if cursor else None
    select = _all if wanted.everything else _filtered
    total, found = await select(store, tenant, wanted, order, limit + 1, after, now_ms)
    page = found[:limit]
    return DevicePage(
        tenant=tenant,
        total=total,
        online_within_ms=ONLINE_WITHIN_MS,
        devices=await _describe_all(store, tenant, page, now_ms),
        next_cursor=encode_cursor(page[-1]) if len(found) > limit else None,
    )


_Selected = tuple[int, list[IndexEntry]]


async def _all(
    store: HotStore, tenant: str, _: Wanted, order: Order, limit: int, after: IndexEntry | None, _now_ms: int
) -> _Selected:
    select = store.newest_first if order == "newest" else store.by_id
    found = await select(tenant, SeenBetween(), limit, after)
    return await store.count(tenant, SeenBetween()), found


async def _filtered(
    store: HotStore,
    tenant: str,
    wanted: Wanted,
    order: Order,
    limit: int,
    after: IndexEntry | None,
    now_ms: int,
) -> _Selected:
    found = await matching(store, tenant, wanted, now_ms)
    if order == "id":
        found.sort(key=lambda entry: entry.device_id)
        following = [e for e in found if after is None or e.device_id > after.device_id]
    else:
        found.sort(reverse=True)
        following = [e for e in found if after is None or e < after]
    return len(found), following[:limit]


async def _describe_all(store: HotStore, tenant: str, page: list[IndexEntry], now_ms: int) -> list[Device]:
    if not page:
        return []
    hashes = await store.device_states(tenant, (entry.device_id for entry in page))
    states = (parse_state(entry.last_seen_ms, stored) for entry, stored in zip(page, hashes, strict=True))
    return [
        describe(tenant, entry.device_id, state, now_ms)
        for entry, state in zip(page, states, strict=True)
        if state is not None
    ]
