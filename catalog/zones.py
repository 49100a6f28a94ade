"""In which zone each device writes local times: its own, else its site's, its tenant's or the stack's."""

from sys import intern
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import psycopg

from catalog.migrations import connect
from catalog.statements import statements
from millrace.event_times import known_zone
from millrace.settings import Settings


class RegistryUnavailableError(Exception):
    """PostgreSQL cannot answer now; the text says why."""


class Zones(NamedTuple):
    """The zones of one state of the registry, by `tenant/device_id` and by tenant.

    `version` tells states apart.
    """

    version: tuple[Any, ...]
    devices: dict[str, str]
    tenants: dict[str, str]

    def zone_of(self, tenant: str, device_id: str) -> ZoneInfo | None:
        """Return the zone of a device or of its tenant, or None when neither has one."""
        name = self.devices.get(f"{tenant}/{device_id}") or self.tenants.get(tenant)
        return known_zone(name) if name else None


class ZoneReader:
    """Reads the zones from PostgreSQL over one connection; not for several threads."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._connection: psycopg.Connection | None = None

    def read(self, known: Zones | None = None) -> Zones:
        """Return the zones as they are now, `known` itself when nothing changed.

        Raises RegistryUnavailableError.
        """
        try:
            if self._connection is None:
                self._connection = connect(self._settings)
                self._connection.autocommit = True
            return _read(self._connection, known)
        except psycopg.Error as error:
            self.close()
            raise RegistryUnavailableError(str(error).strip() or type(error).__name__) from None

    def close(self) -> None:
        """Close the connection; the next read opens another one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _read(connection: psycopg.Connection, known: Zones | None) -> Zones:
    asked = statements("zones")
    # The version is read first: what changes in between is read again the next time.
    version = tuple(connection.execute(asked["version"]).fetchone() or ())
    if known is not None and known.version == version:
        return known
    devices = {f"{row[0]}/{row[1]}": intern(row[2]) for row in connection.execute(asked["devices"])}
    return Zones(version, devices, dict(connection.execute(asked["tenants"]).fetchall()))


def zone_of_device(connection: psycopg.Connection, tenant: str, device_id: str) -> ZoneInfo | None:
    """Return the zone the registry says for one device, or None."""
    row = connection.execute(
        statements("zones")["of_device"], {"tenant": tenant, "device_id": device_id}
    ).fetchone()
    return known_zone(row[0]) if row and row[0] else None
