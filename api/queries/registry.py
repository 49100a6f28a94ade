"""The registry in PostgreSQL: one connection and one transaction for each request."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import psycopg
from pydantic import ValidationError

from api.problems import ProblemError, WrongParameterError
from api.registry_answers import (
    Maintenance,
    MaintenanceRequest,
    Profile,
    RegisteredDevice,
    RegisteredDevicePage,
    Site,
)
from catalog.migrations import connect
from catalog.registry_entries import DeviceSettings, MaintenanceEntry, ProfileEntry, SiteSettings, moment
from catalog.registry_names import Writer, require_device, require_names, require_tenant
from catalog.registry_store import InUseError, Kind, Registry, UnknownNameError
from millrace.clock import from_iso, to_iso
from millrace.known_keys import in_words
from millrace.settings import Settings

# The last second of the year 9999, UTC.
_LAST_MS = 253_402_300_799_000


@contextmanager
def open_registry(config: Settings, tenant: str, who: Writer | None = None) -> Iterator[Registry]:
    """Open the registry for one request, such as a writer's; errors become problems (503, 422, 409)."""
    try:
        with connect(config) as connection:
            if who is not None:
                require_tenant(connection, tenant, who)
            yield Registry(connection, tenant)
    except psycopg.OperationalError as error:
        raise ProblemError(
            503,
            "registry-unavailable",
            f"PostgreSQL, which holds the registry, cannot answer now ({type(error).__name__}).",
            where="postgres",
            mend="Try again in a moment; `millrace status` and GET /health show what is down.",
        ) from None
    except UnknownNameError as error:
        raise ProblemError(422, "unknown-name", error.what, where=error.where, mend=error.mend) from None
    except InUseError as error:
        raise ProblemError(409, "in-use", error.what, where=error.where, mend=error.mend) from None


def _unknown(kind: str, name: object) -> ProblemError:
    return ProblemError(
        404,
        f"unknown-{kind}",
        f"The registry has no {kind} {str(name)!r}.",
        where=kind,
        mend=f"GET /registry lists what there is; PUT makes a {kind}.",
    )


def _times(row: dict[str, Any]) -> dict[str, Any]:
    return {name: _iso(value) if isinstance(value, datetime) else value for name, value in row.items()}


def _iso(at: datetime) -> str:
    return to_iso(round(at.timestamp() * 1000))


def list_devices(
    registry: Registry, site: str | None, profile: str | None, tag: str | None, limit: int, after: str
) -> RegisteredDevicePage:
    """Return one page of registered devices; the cursor is the last id."""
    found = registry.devices(site=site, profile=profile, tag=tag, after=after, limit=limit + 1)
    page = [RegisteredDevice(**_times(row)) for row in found[:limit]]
    more = len(found) > limit
    return RegisteredDevicePage(
        tenant=registry.tenant, devices=page, next_cursor=page[-1].device_id if more else None
    )


def get(registry: Registry, kind: Kind, name: str) -> dict[str, Any]:
    """Return one device, profile or site as an answer's fields; raise ProblemError (404) without it."""
    row = registry.get(kind, name)
    if row is None:
        raise _unknown(kind, name)
    return _times(row)


def remove(registry: Registry, kind: Kind, name: str) -> None:
    """Remove one device, profile or site; raise ProblemError (404, 409)."""
    if not registry.delete(kind, name):
        raise _unknown(kind, name)


def put_device(registry: Registry, device_id: str, device: DeviceSettings, who: Writer) -> RegisteredDevice:
    """Set a device and return it as it is now; UnknownNameError when it names what is not there."""
    require_names(registry, [device], who)
    registry.put_device(device_id, device)
    return RegisteredDevice(**get(registry, "device", device_id))


def put_profile(registry: Registry, profile: ProfileEntry) -> Profile:
    """Set a profile and return it as it is now."""
    registry.put_profile(profile.profile, profile)
    return Profile(**get(registry, "profile", profile.profile))


def put_site(registry: Registry, site: str, settings: SiteSettings) -> Site:
    """Set a site and return it as it is now."""
    registry.put_site(site, settings)
    return Site(**get(registry, "site", site))


def list_profiles(registry: Registry) -> list[Profile]:
    """Return all profiles."""
    return [Profile(**_times(row)) for row in registry.profiles()]


def list_sites(registry: Registry) -> list[Site]:
    """Return a tenant's sites."""
    return [Site(**_times(row)) for row in registry.sites()]


def list_maintenance(registry: Registry, now_ms: int) -> list[Maintenance]:
    """Return the windows that have not ended."""
    return [Maintenance(**_times(row)) for row in registry.maintenance(now_ms)]


def add_maintenance(registry: Registry, entry: MaintenanceEntry, who: Writer) -> Maintenance:
    """Add a window; the same window again is the same. UnknownNameError for a device that is not there."""
    if entry.device_id is not None:
        require_device(registry, entry.device_id, who)
    number, _ = registry.add_maintenance(entry)
    times = {"starts_at": _iso(entry.starts_at), "ends_at": _iso(entry.ends_at)}
    fields = entry.model_dump(include={"device_id", "site", "about"})
    return Maintenance(maintenance_id=number, tenant=registry.tenant, **fields, **times)


def window_of(asked: MaintenanceRequest, now_ms: int) -> MaintenanceEntry:
    """Return the window that is asked for; raise WrongParameterError when it is none."""
    start_ms = now_ms if asked.starts_at is None else _time(asked.starts_at, "starts_at")
    if (asked.ends_at is None) == (asked.duration_s is None):
        raise WrongParameterError("ends_at", "the end is not clear", accepted="either ends_at or duration_s")
    end_ms = (
        start_ms + 1_000 * (asked.duration_s or 0)
        if asked.ends_at is None
        else _time(asked.ends_at, "ends_at")
    )
    if start_ms < 0 or end_ms > _LAST_MS:
        raise WrongParameterError(
            "starts_at", "the window leaves the years 1970 to 9999", accepted="a window within them"
        )
    try:
        return MaintenanceEntry(
            device_id=asked.device_id,
            site=asked.site,
            starts_at=moment(start_ms),
            ends_at=moment(end_ms),
            about=asked.about,
        )
    except ValidationError as error:
        wrong = in_words(error.errors(), MaintenanceEntry.model_json_schema())[0]
        raise WrongParameterError(
            "maintenance", wrong.what, accepted="device_id or site, and an end after the start"
        ) from None


def _time(text: str, parameter: str) -> int:
    try:
        return from_iso(text)
    except ValueError:
        raise WrongParameterError(parameter, f"{text!r} is no time", accepted="an RFC 3339 time") from None


def remove_maintenance(registry: Registry, maintenance_id: int) -> None:
    """End a window; raise ProblemError (404) without it."""
    if not registry.delete_maintenance(maintenance_id):
        raise _unknown("maintenance", maintenance_id)
