"""Reads and writes of the registry; every write is idempotent and joins the caller's transaction.

A write that raises leaves that transaction to be rolled back.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from psycopg import Connection
from psycopg.errors import ForeignKeyViolation
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from catalog.registry_entries import (
    DeviceEntry,
    DeviceSettings,
    MaintenanceEntry,
    ProfileSettings,
    RegistryFile,
    SiteSettings,
    TenantSettings,
)
from catalog.statements import statements
from millrace.errors import MillraceError

Row = dict[str, Any]
Kind = Literal["device", "profile", "site"]
MOST_DEVICES = 1_000_000


class UnknownNameError(MillraceError):
    """A write names a profile or a site that does not exist."""


class InUseError(MillraceError):
    """Something cannot go while devices belong to it."""


class Imported(NamedTuple):
    """How many entries a file changed; what already was as the file says does not count."""

    profiles: int
    sites: int
    devices: int
    maintenance: int
    tenants: int = 0


class Registry:
    """One tenant's registry, and the profiles, which all tenants share."""

    def __init__(self, connection: Connection, tenant: str) -> None:
        self.connection = connection
        self.tenant = tenant

    def devices(
        self,
        *,
        site: str | None = None,
        profile: str | None = None,
        tag: str | None = None,
        after: str = "",
        limit: int = MOST_DEVICES,
    ) -> list[Row]:
        """Return devices in the order of their ids, from behind `after`."""
        return self._rows("list_devices", site=site, profile=profile, tag=tag, after=after, limit=limit)

    def profiles(self) -> list[Row]:
        """Return all profiles."""
        return self._rows("list_profiles")

    def sites(self) -> list[Row]:
        """Return all sites with the number of their devices."""
        return self._rows("list_sites")

    def maintenance(self, now_ms: int) -> list[Row]:
        """Return the windows that have not ended."""
        return self._rows("list_maintenance", now_ms=now_ms)

    def get(self, kind: Kind, name: str) -> Row | None:
        """Return one device, profile or site, or None."""
        return next(iter(self._rows(f"get_{kind}", **{_KEY[kind]: name})), None)

    def delete(self, kind: Kind, name: str) -> bool:
        """Remove one; False when there was none, InUseError while devices belong to it."""
        try:
            return bool(self._write(f"delete_{kind}", **{_KEY[kind]: name}))
        except ForeignKeyViolation:
            raise InUseError(
                f"devices belong to {kind} {name!r}",
                where=f"registry/{kind}s",
                mend="Give them another one first.",
            ) from None

    def put_device(self, device_id: str, device: DeviceSettings) -> bool:
        """Set a device; a site that is new is made, a profile must exist. Tell whether anything changed."""
        try:
            return bool(self._write("put_device", device_id=device_id, **_own(device, DeviceSettings)))
        except ForeignKeyViolation:
            raise UnknownNameError(
                f"device {device_id!r} names profile {device.profile!r}, which does not exist",
                where="profile",
                mend="`millrace profiles list` shows those that do.",
            ) from None

    def put_devices(self, devices: Sequence[DeviceEntry]) -> int:
        """Set many devices at once, each of its own tenant or else of ours; return how many changed."""
        fields = [_own(device, DeviceEntry) | {"tenant": device.tenant or self.tenant} for device in devices]
        with self.connection.cursor() as cursor:
            try:
                cursor.executemany(statements("registry")["put_device"], fields)
            except ForeignKeyViolation as error:
                raise UnknownNameError(
                    f"a device names a profile that does not exist: {error.diag.message_detail}",
                    where="profile",
                    mend="Put the profile into the file, or see `millrace profiles list`.",
                ) from None
            return max(0, cursor.rowcount)

    def put_profile(self, profile: str, settings: ProfileSettings) -> bool:
        """Set a profile; its devices are judged by it from now on."""
        fields = _own(settings, ProfileSettings) | {
            "metrics": Jsonb({name: metric.model_dump() for name, metric in settings.metrics.items()})
        }
        return bool(self._write("put_profile", profile=profile, **fields))

    def put_site(self, site: str, settings: SiteSettings) -> bool:
        """Set a site."""
        return bool(self._write("put_site", site=site, **_own(settings, SiteSettings)))

    def tenant_settings(self) -> TenantSettings:
        """Return what is configured of the tenant."""
        row = next(iter(self._rows("get_tenant")), None)
        return TenantSettings(timezone=row["timezone"] if row else None)

    def put_tenant(self, settings: TenantSettings) -> bool:
        """Set what is configured of the tenant."""
        return bool(self._write("put_tenant", timezone=settings.timezone))

    def set_timezone(self, kind: Literal["device", "site"], name: str, timezone: str | None) -> bool:
        """Set the zone of one device or site and nothing else; False when there is none of the name."""
        return bool(self._write(f"set_{kind}_timezone", **{_KEY[kind]: name}, timezone=timezone))

    def add_maintenance(self, entry: MaintenanceEntry) -> tuple[int, bool]:
        """Add a window and return its number, and whether it is new; the same window again is the same.

        A device that is not registered yet is registered; a site must exist (UnknownNameError).
        """
        if entry.device_id is not None:
            self._write("add_device", device_id=entry.device_id)
        elif self.get("site", entry.site or "") is None:
            raise UnknownNameError(
                f"there is no site {entry.site!r}", where="site", mend="`millrace devices sites` lists them."
            )
        fields = _own(entry, MaintenanceEntry, leave_out=("tenant",))
        added = self._rows("add_maintenance", **fields)
        found = added or self._rows("find_maintenance", **fields)
        return int(found[0]["maintenance_id"]), bool(added)

    def delete_maintenance(self, maintenance_id: int) -> bool:
        """End a window now, as if it had never been; False when there was none."""
        return bool(self._write("delete_maintenance", maintenance_id=maintenance_id))

    def _rows(self, name: str, **values: Any) -> list[Row]:
        with self.connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(statements("registry")[name], {"tenant": self.tenant, **values}).fetchall()

    def _write(self, name: str, **values: Any) -> int:
        return self.connection.execute(
            statements("registry")[name], {"tenant": self.tenant, **values}
        ).rowcount


_KEY: Mapping[Kind, str] = {"device": "device_id", "profile": "profile", "site": "site"}


def _own(entry: Any, fields_of: type[Any], leave_out: Sequence[str] = ()) -> Row:
    return {name: _column(getattr(entry, name)) for name in fields_of.model_fields if name not in leave_out}


def _column(value: Any) -> Any:
    # PostgreSQL takes a list for an array, and a tuple for a row.
    return list(value) if isinstance(value, tuple) else value


def import_file(connection: Connection, file: RegistryFile, tenant: str) -> Imported:
    """Bring the registry to what a file says, all or nothing; what the file does not name stays.

    `tenant` is that of the entries that name none.
    """
    with connection.transaction():

        def of(entry: Any) -> Registry:
            return Registry(connection, entry.tenant or tenant)

        shared = Registry(connection, tenant)
        return Imported(
            profiles=sum(shared.put_profile(entry.profile, entry) for entry in file.profiles),
            sites=sum(of(entry).put_site(entry.site, entry) for entry in file.sites),
            devices=shared.put_devices(file.devices),
            maintenance=sum(of(entry).add_maintenance(entry)[1] for entry in file.maintenance),
            tenants=sum(of(entry).put_tenant(entry) for entry in file.tenants),
        )


def export_file(registry: Registry, now_ms: int) -> Row:
    """Return a tenant's registry as `import_file` reads it, without what is left at its default."""
    return {
        "profiles": [_written(row, ("updated_at",)) for row in registry.profiles()],
        "sites": [_written(row, ("updated_at", "tenant", "devices")) for row in registry.sites()],
        "devices": [_written(row, ("updated_at", "tenant")) for row in registry.devices()],
        "maintenance": [_written(row, ("maintenance_id", "tenant")) for row in registry.maintenance(now_ms)],
        "tenants": [{"tenant": registry.tenant, "timezone": zone} for zone in _set(registry) if zone],
    }


def _set(registry: Registry) -> list[str | None]:
    return [registry.tenant_settings().timezone]


def _written(row: Row, leave_out: Sequence[str]) -> Row:
    kept = {name: value for name, value in row.items() if name not in leave_out}
    return {name: value for name, value in kept.items() if value not in (None, "", {}, [])}
