"""Alerts of some devices that iot.alert_events tells of."""

from pyiceberg.expressions import EqualTo, GreaterThanOrEqual, In, LessThan
from pyiceberg.table import Table

from catalog.filters import every, moment, predicate
from jobs.recompute.asked import Asked


def told_ids(alert_events: Table, asked: Asked) -> dict[str, tuple[str, int]]:
    """Return alerts with an onset in the span that were not withdrawn: device and onset (ms) by id."""
    terms = [
        predicate(EqualTo, "tenant", asked.tenant),
        predicate(In, "device_id", set(asked.devices)),
        predicate(GreaterThanOrEqual, "onset", moment(asked.from_ms)),
        predicate(LessThan, "onset", moment(asked.to_ms)),
    ]
    columns = ("alert_id", "device_id", "kind", "onset", "at")
    rows = alert_events.scan(row_filter=every(terms), selected_fields=columns).to_arrow().to_pylist()
    withdrawn = {row["alert_id"] for row in rows if row["kind"] == "withdrawn"}
    return {
        row["alert_id"]: (row["device_id"], round(row["onset"].timestamp() * 1_000))
        for row in rows
        if row["alert_id"] not in withdrawn
    }
