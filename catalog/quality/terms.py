"""What devices are judged by: what their profiles promise, from the registry."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from psycopg import Connection

from catalog.statements import statements


class Limits(NamedTuple):
    """The range of a metric, in its unit; None is no limit."""

    low: float | None
    high: float | None


class DeviceTerms(NamedTuple):
    """What the profile of a device promises."""

    tenant: str
    device_id: str
    profile: str
    expected_interval_s: int
    ranges: dict[str, Limits] = {}


class Pause(NamedTuple):
    """Time in which silence of a device was announced, UTC epoch milliseconds."""

    tenant: str
    device_id: str
    from_ms: int
    until_ms: int


class Terms(NamedTuple):
    """All that devices are judged by; pauses of one device do not overlap."""

    devices: Sequence[DeviceTerms] = ()
    pauses: Sequence[Pause] = ()


def terms_of(connection: Connection, from_ms: int, until_ms: int) -> Terms:
    """Return what is in force now, with the maintenance of a time."""
    known = statements("quality_terms")
    devices = connection.execute(known["devices"]).fetchall()
    pauses = connection.execute(known["pauses"], {"from_ms": from_ms, "until_ms": until_ms}).fetchall()
    return Terms(
        [
            DeviceTerms(tenant, device_id, profile, interval_s, limits_of(metrics))
            for tenant, device_id, profile, interval_s, metrics in devices
        ],
        [Pause(tenant, device_id, _ms(start), _ms(end)) for tenant, device_id, start, end in pauses],
    )


def limits_of(metrics: dict[str, Any]) -> dict[str, Limits]:
    """Return the ranges a profile declares; what is no number is no limit."""
    told = {name: one for name, one in metrics.items() if isinstance(one, dict)}
    limits = {name: Limits(_number(one.get("min")), _number(one.get("max"))) for name, one in told.items()}
    return {name: one for name, one in limits.items() if one != (None, None)}


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _ms(moment: datetime) -> int:
    return round(moment.astimezone(UTC).timestamp() * 1000)
