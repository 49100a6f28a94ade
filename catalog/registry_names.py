"""Refuses to write for a tenant, site, profile or device that nobody made: it may be a misspelt one.

A writer that means a new one says so (`create=true`, `--create`); a profile must be made by itself.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from psycopg import Connection

from catalog.registry_entries import DeviceSettings, RegistryFile
from catalog.registry_store import Registry, UnknownNameError
from catalog.statements import statements
from millrace.nearest import did_you_mean
from millrace.secrets import load_secrets
from millrace.settings import Settings


class Writer(NamedTuple):
    """Who writes: with which tenants of the stack's own, and whether new names are meant."""

    own_tenants: Collection[str]
    may_create: bool


def writer(config: Settings, may_create: bool) -> Writer:
    """Return the writer of a stack: its own tenant and those that have a token need not be made."""
    return Writer({config.tenant, *load_secrets(config).tenant_tokens}, may_create)


def require_tenant(connection: Connection, tenant: str, who: Writer, *, dry_run: bool = False) -> None:
    """Make sure that a tenant exists; raise UnknownNameError when it does not and may not be made."""
    known = _names(connection, "tenant_names", tenant)
    if tenant in known:
        return
    if not who.may_create and tenant not in who.own_tenants:
        raise _unknown("tenant", tenant, {*known, *who.own_tenants})
    if not dry_run:
        connection.execute(statements("registry")["add_tenant"], {"tenant": tenant})


def require_names(registry: Registry, devices: Sequence[DeviceSettings], who: Writer) -> None:
    """Raise UnknownNameError when devices name a profile or a site that is not there and may not be made."""
    profiles = {device.profile for device in devices} - {None}
    if profiles:
        known = _names(registry.connection, "profile_names", registry.tenant)
        _require("profile", profiles, known, "`millrace profiles set` or PUT /registry/profiles makes one.")
    sites = {device.site for device in devices} - {None}
    if sites and not who.may_create:
        _require("site", sites, _names(registry.connection, "site_names", registry.tenant))


def require_device(registry: Registry, device_id: str, who: Writer) -> None:
    """Raise UnknownNameError when a device is not registered and may not be."""
    if not who.may_create and registry.get("device", device_id) is None:
        ids = (str(row["device_id"]) for row in registry.devices(limit=_MOST_COMPARED))
        raise _unknown("device", device_id, ids)


def require_file_names(registry: Registry, file: RegistryFile, who: Writer) -> None:
    """Raise UnknownNameError when a file names what neither it nor the registry has."""
    own = registry.tenant
    tenants = {entry.tenant or own for entry in file.sites}
    tenants |= {entry.tenant or own for entry in file.devices}
    tenants |= {entry.tenant or own for entry in file.maintenance}
    for tenant in sorted(tenants):
        require_tenant(registry.connection, tenant, who)
        of = Registry(registry.connection, tenant)
        sites = {entry.site for entry in file.sites if (entry.tenant or own) == tenant}
        profiles = {entry.profile for entry in file.profiles}
        named = [entry for entry in file.devices if (entry.tenant or own) == tenant]
        require_names(of, [_without(entry, sites, profiles) for entry in named], who)
        windows = [entry for entry in file.maintenance if (entry.tenant or own) == tenant]
        ids = {entry.device_id for entry in named}
        for window in windows:
            if window.device_id is not None and window.device_id not in ids:
                require_device(of, window.device_id, who)


# To find the nearest of more ids would take longer than reading the list.
_MOST_COMPARED = 10_000


def _without(entry: DeviceSettings, sites: Collection[str], profiles: Collection[str]) -> DeviceSettings:
    return DeviceSettings(
        site=None if entry.site in sites else entry.site,
        profile=None if entry.profile in profiles else entry.profile,
    )


def _names(connection: Connection, statement: str, tenant: str) -> set[str]:
    return {row[0] for row in connection.execute(statements("registry")[statement], {"tenant": tenant})}


def _require(kind: str, named: Iterable[str | None], known: Collection[str], mend: str = "") -> None:
    for name in sorted(name for name in named if name is not None and name not in known):
        raise _unknown(kind, name, known, mend)


def _unknown(kind: str, name: str, known: Iterable[str], mend: str = "") -> UnknownNameError:
    return UnknownNameError(
        f"there is no {kind} {name!r}{did_you_mean(name, known)}".rstrip("?"),
        where=kind,
        mend=mend or f"Name one there is, or say that a new {kind} is meant: create=true, --create.",
    )
