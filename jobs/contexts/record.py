"""A context as a record of `device-context`: a Reading, so that the sessions job reads one shape."""

import json

from catalog.registry import Context
from millrace.reading import Reading

TOPIC = "device-context"


def record(context: Context, now_ms: int) -> Reading:
    """Return the record of a context published now; without maintenance or tags these are left out."""
    tenant, _, device_id = context.owner.partition("/")
    return Reading(
        tenant=tenant,
        device_id=device_id,
        event_id=f"context-{now_ms}",
        event_time=now_ms,
        metrics=_metrics(context),
        attributes=_attributes(context),
        received_at=now_ms,
        source="context",
    )


def _attributes(context: Context) -> dict[str, str]:
    told = {"site": context.site, "profile": context.profile, "firmware": context.firmware}
    lists = {"tags": context.tags, "counters": context.counters}
    return told | {name: json.dumps(names, separators=(",", ":")) for name, names in lists.items() if names}


def _metrics(context: Context) -> dict[str, float]:
    metrics = {
        "offline_after_ms": context.offline_after_ms,
        "expected_interval_ms": context.expected_interval_ms,
        "registered_ms": context.registered_ms,
        "maintenance_from_ms": context.maintenance_from_ms,
        "maintenance_until_ms": context.maintenance_until_ms,
    }
    return {name: float(value) for name, value in metrics.items() if value is not None}
