"""Who is registered with a tenant, and since when."""

from typing import NamedTuple

from psycopg import Connection

from catalog.statements import statements


class Registered(NamedTuple):
    """What the registry says of a device; `registered_ms` is UTC epoch milliseconds."""

    site: str | None
    profile: str | None
    registered_ms: int


def registered_names(connection: Connection, tenant: str) -> dict[str, set[str]]:
    """Return what a tenant has of `sites`, `tags` and `profiles`, and the `metrics` its profiles speak of."""
    found: dict[str, set[str]] = {"sites": set(), "tags": set(), "profiles": set(), "metrics": set()}
    for kind, name in connection.execute(statements("known_devices")["list_names"], {"tenant": tenant}):
        found[kind].add(name)
    return found


def registered_devices(
    connection: Connection, tenant: str, device_id: str | None = None
) -> dict[str, Registered]:
    """Return the devices of a tenant, or the one that is named, by id."""
    asked = {"tenant": tenant, "device_id": device_id}
    rows = connection.execute(statements("known_devices")["list_registered"], asked).fetchall()
    return {name: Registered(*fields) for name, *fields in rows}
