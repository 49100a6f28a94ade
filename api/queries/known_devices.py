"""Every device of a tenant as one list: those that sent readings, are registered, or are in the lake."""

import asyncio
from asyncio import to_thread
from collections.abc import Callable
from http import HTTPStatus
from typing import NamedTuple, TypeVar

from api.answers import DeviceCounts, DeviceSource, DeviceStateName
from api.problems import ProblemError
from api.queries.hot_store import HotStore, IndexEntry
from api.queries.lake_access import lake_problems, tables_of
from api.queries.presence import Wanted, state_of
from api.queries.registry_access import open_database
from catalog.registered_devices import Registered, registered_devices
from millrace.settings import Settings

Value = TypeVar("Value")


class KnownDevice(NamedTuple):
    """A device in order of its newest event time; `last_seen_ms` is -1 when it never sent anything."""

    last_seen_ms: int
    device_id: str
    state: DeviceStateName
    site: str | None = None
    registered: Registered | None = None


class Fleet(NamedTuple):
    """All devices of a tenant in no special order, and who could not say which it knows."""

    devices: list[KnownDevice]
    unanswered: list[DeviceSource]

    def counts(self, site: str | None) -> DeviceCounts:
        """Count the devices by state, of a site or of all."""
        states = [one.state for one in self.devices if site is None or (one.site or "") == site]
        return DeviceCounts(**{state: states.count(state) for state in set(states)})

    def matching(self, wanted: Wanted) -> list[KnownDevice]:
        """Return the devices that match."""
        return [
            one
            for one in self.devices
            if wanted.state in ("any", one.state) and (wanted.site is None or (one.site or "") == wanted.site)
        ]


class Reach(NamedTuple):
    """What knows of devices."""

    store: HotStore
    config: Settings


async def fleet_of(reach: Reach, tenant: str, now_ms: int) -> Fleet:
    """Return all devices of a tenant; RedisError when Redis is gone, without which nobody is online."""
    entries, registered, stored = await asyncio.gather(
        reach.store.entries(tenant), _registered(reach.config, tenant), _stored(reach.config, tenant)
    )
    names = [entry.device_id for entry in entries]
    told = await reach.store.fields(tenant, names, ("@state", "@site"))
    devices = [
        _seen(entry, state, site, (registered or {}).get(entry.device_id), now_ms)
        for entry, (state, site) in zip(entries, told, strict=True)
    ]
    others = ((registered or {}).keys() | (stored or {}).keys()) - set(names)
    devices += [_unseen(name, registered or {}, stored or {}) for name in others]
    answers: dict[DeviceSource, object] = {"registry": registered, "lake": stored}
    return Fleet(devices, [name for name, answer in answers.items() if answer is None])


async def find_unseen(config: Settings, tenant: str, device_id: str) -> KnownDevice | None:
    """Return a device that Redis does not know; None when nobody does.

    ProblemError (503) when whoever does not answer might know it.
    """
    registered, stored = await asyncio.gather(
        _registered(config, tenant, device_id), _stored(config, tenant, device_id)
    )
    known = device_id in (registered or {}) or device_id in (stored or {})
    if not known and None in (registered, stored):
        raise ProblemError(
            503,
            "store-unavailable",
            f"Redis does not know {device_id!r}, and {'the registry' if registered is None else 'the lake'} "
            "cannot answer now.",
            where="postgres" if registered is None else "lake",
            mend="Try again in a moment; `millrace status` and GET /health show what is down.",
        )
    return _unseen(device_id, registered or {}, stored or {}) if known else None


def _seen(
    entry: IndexEntry, state: bytes | None, site: bytes | None, registered: Registered | None, now_ms: int
) -> KnownDevice:
    place = site.decode() if site else (registered.site if registered else None)
    said = state_of(state, entry.last_seen_ms, now_ms)
    return KnownDevice(entry.last_seen_ms, entry.device_id, said, place or None, registered)


def _unseen(device_id: str, registered: dict[str, Registered], stored: dict[str, int]) -> KnownDevice:
    own = registered.get(device_id)
    state: DeviceStateName = "history_only" if device_id in stored else "never_seen"
    return KnownDevice(stored.get(device_id, -1), device_id, state, own.site if own else None, own)


async def registration(config: Settings, tenant: str, device_id: str) -> Registered | bool:
    """Return what the registry says of a device, False when it has none, True when it does not answer."""
    found = await _registered(config, tenant, device_id)
    return True if found is None else found.get(device_id, False)


async def _registered(
    config: Settings, tenant: str, device_id: str | None = None
) -> dict[str, Registered] | None:
    def read() -> dict[str, Registered]:
        with open_database(config) as connection:
            return registered_devices(connection, tenant, device_id)

    return await to_thread(_answer, read)


async def _stored(config: Settings, tenant: str, device_id: str | None = None) -> dict[str, int] | None:
    def read() -> dict[str, int]:
        from catalog.archive import ARCHIVE, READINGS
        from catalog.lake_devices import stored_devices

        with lake_problems("iot.readings"):
            tables = tables_of(config)
            opened = [tables.load(READINGS), *tables.load_existing(ARCHIVE)]
            return stored_devices(opened, tenant, device_id)

    return await to_thread(_answer, read)


def _answer(read: Callable[[], Value]) -> Value | None:
    """Return what a source says, None while it cannot answer: the others are still worth an answer."""
    try:
        return read()
    except ProblemError as error:
        if error.status != HTTPStatus.SERVICE_UNAVAILABLE:
            raise
        return None
