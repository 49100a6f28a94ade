"""`GET /devices`: the devices of a tenant and their newest state."""

import base64
import binascii
from typing import Any, Literal, NamedTuple

from api.answers import Device, DevicePage, LatestValue, Location
from api.problems import ProblemError, WrongParameterError
from api.queries.hot_store import HotStore, IndexEntry
from api.queries.known_devices import KnownDevice, Reach, find_unseen, fleet_of, registration
from api.queries.presence import ONLINE_WITHIN_MS, Wanted, presence, state_of
from catalog.registered_devices import Registered
from millrace.clock import age_ms, to_iso
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


async def read_device(reach: Reach, tenant: str, device_id: str, now_ms: int) -> Device:
    """Return a device's newest state; ProblemError (404) when nobody knows it, 503 when that is not sure."""
    seen_ms, stored = await reach.store.device(tenant, device_id)
    state = parse_state(seen_ms, stored)
    if state is not None:
        registered = await registration(reach.config, tenant, device_id)
        said = state_of(stored.get(b"@state"), state.last_seen_ms, now_ms)
        own = registered if isinstance(registered, Registered) else None
        known = KnownDevice(state.last_seen_ms, device_id, said, state.presence["site"], own)
        return describe(tenant, known, state, now_ms, is_registry_silent=registered is True)
    unseen = await find_unseen(reach.config, tenant, device_id)
    if unseen is None:
        raise ProblemError(
            404,
            "unknown-device",
            f"Tenant {tenant!r} has no device {device_id!r}.",
            where="device_id",
            mend=f"GET /devices?tenant={tenant} lists the devices that are registered or have sent readings.",
        )
    return describe(tenant, unseen, None, now_ms)


def describe(
    tenant: str, known: KnownDevice, state: DeviceState | None, now_ms: int, is_registry_silent: bool = False
) -> Device:
    """Shape what is known of a device as the answer; `state` is what Redis knows."""
    received_at_ms = state.received_at_ms if state else None
    seen_ms = known_ms(known.last_seen_ms, received_at_ms, now_ms)
    own = known.registered
    told = presence({}) if state is None else state.presence
    if told["site"] is None:
        told = told | {"site": known.site or (own.site if own else None)}
    if told["profile"] is None and own is not None:
        told = told | {"profile": own.profile}
    return Device(
        tenant=tenant,
        device_id=known.device_id,
        last_seen=None if seen_ms is None else to_iso(seen_ms),
        last_seen_ms=seen_ms,
        freshness_ms=None if seen_ms is None else age_ms(seen_ms, now_ms),
        online=known.state == "online",
        state=known.state,
        registered=None if is_registry_silent else own is not None,
        registered_at=None if own is None else to_iso(own.registered_ms),
        registered_at_ms=None if own is None else own.registered_ms,
        **told,
        received_at=None if received_at_ms is None else to_iso(received_at_ms),
        received_at_ms=received_at_ms,
        metrics=state.latest if state else {},
        location=state.location if state else None,
    )


def known_ms(last_seen_ms: int, received_at_ms: int | None, now_ms: int) -> int | None:
    """Return when a device was last seen, None = never (-1): if its clock runs ahead, when it arrived."""
    if last_seen_ms <= now_ms:
        return None if last_seen_ms < 0 else last_seen_ms
    return min(now_ms, received_at_ms or now_ms)


def encode_cursor(entry: IndexEntry | KnownDevice) -> str:
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
    reach: Reach, tenant: str, wanted: Wanted, order: Order, limit: int, cursor: str | None, now_ms: int
) -> DevicePage:
    """Return one page of a tenant's devices."""
    after = decode_cursor(cursor) if cursor else None
    fleet = await fleet_of(reach, tenant, now_ms)
    matching = fleet.matching(wanted)
    following = _following(matching, order, after)
    page = following[:limit]
    silent = "registry" in fleet.unanswered
    return DevicePage(
        tenant=tenant,
        total=len(matching),
        counts=fleet.counts(wanted.site),
        online_within_ms=ONLINE_WITHIN_MS,
        unanswered=fleet.unanswered,
        devices=await _describe_all(reach.store, tenant, page, now_ms, silent),
        next_cursor=encode_cursor(page[-1]) if len(following) > limit else None,
    )


def _following(found: list[KnownDevice], order: Order, after: IndexEntry | None) -> list[KnownDevice]:
    """Return devices in order, from behind a place on."""
    if order == "id":
        return sorted(
            (one for one in found if after is None or one.device_id > after.device_id),
            key=lambda one: one.device_id,
        )
    behind = [one for one in found if after is None or one[:2] < after]
    return sorted(behind, key=lambda one: one[:2], reverse=True)


async def _describe_all(
    store: HotStore, tenant: str, page: list[KnownDevice], now_ms: int, is_registry_silent: bool
) -> list[Device]:
    if not page:
        return []
    hashes = await store.device_states(tenant, (one.device_id for one in page))
    # A device that nobody has seen may have a state all the same, as that it is connected.
    unseen = ("never_seen", "history_only")
    states = (
        None if one.state in unseen else parse_state(one.last_seen_ms, stored)
        for one, stored in zip(page, hashes, strict=True)
    )
    return [
        describe(tenant, one, state, now_ms, is_registry_silent)
        for one, state in zip(page, states, strict=True)
    ]
