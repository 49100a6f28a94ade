"""By what the series of devices are told, from the registry."""

from collections.abc import Collection, Mapping
from typing import Any, Final, NamedTuple

from psycopg import Connection

from catalog.statements import statements

COUNTER: Final = "counter"


class DeviceTerms(NamedTuple):
    """How often a device is expected to send, which of its metrics are counters, and its zone (IANA).

    None is not known.
    """

    interval_ms: int | None = None
    counters: frozenset[str] = frozenset()
    zone: str | None = None


def device_terms(connection: Connection, tenant: str, device_ids: Collection[str]) -> dict[str, DeviceTerms]:
    """Return the terms of each device that is registered."""
    asked = {"tenant": tenant, "device_ids": list(device_ids)}
    rows = connection.execute(statements("device_terms")["device_terms"], asked).fetchall()
    return {
        device_id: DeviceTerms(
            None if interval_s is None else round(interval_s * 1000), counters_of(metrics), zone
        )
        for device_id, interval_s, metrics, zone in rows
    }


def counters_of(metrics: Mapping[str, Any]) -> frozenset[str]:
    """Return which metrics of a profile are counters."""
    return frozenset(
        name for name, said in metrics.items() if isinstance(said, Mapping) and said.get("kind") == COUNTER
    )


def counters_by_device(connection: Connection, tenant: str) -> dict[str, tuple[str, ...]]:
    """Return the counters of each device of a tenant that has some."""
    rows = connection.execute(statements("device_terms")["counters"], {"tenant": tenant}).fetchall()
    found = {device_id: tuple(sorted(counters_of(metrics))) for device_id, metrics in rows}
    return {device_id: counters for device_id, counters in found.items() if counters}
