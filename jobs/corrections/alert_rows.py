"""Tables of what correcting alerts writes and remembers."""

from collections.abc import Sequence

import pyarrow as pa

from jobs.corrections.alert_reads import FollowedRun, Hour
from jobs.corrections.alert_topic import evidence_of
from udfs.rules.alerts import AlertChange

_TIME = pa.timestamp("us", "UTC")
_EVIDENCE = pa.map_(pa.string(), pa.string())
_TEXTS = ("tenant", "alert_id", "device_id", "site", "rule", "kind", "severity")
_RUN = pa.schema(
    [
        *((name, pa.string()) for name in ("tenant", "device_id", "rule")),
        *((name, pa.int64()) for name in ("form", "from_ms", "last_ms", "until_ms", "not_before_ms")),
        ("kept", pa.binary()),
    ]
)


def alert_rows(changes: Sequence[AlertChange]) -> pa.Table:
    """Return changes as rows of iot.alert_events."""
    columns = {name: [getattr(one, name) for one in changes] for name in (*_TEXTS, "shadow", "retroactive")}
    return pa.table(
        columns
        | {
            "rule_version": pa.array([one.rule_version for one in changes], pa.int64()),
            "onset": _times([one.onset_ms for one in changes]),
            "at": _times([one.at_ms for one in changes]),
            "evidence": pa.array([list(evidence_of(one).items()) for one in changes], _EVIDENCE),
        }
    )


def _times(times_ms: Sequence[int]) -> pa.Array:
    return pa.array([time_ms * 1_000 for time_ms in times_ms], pa.int64()).cast(_TIME)


def hour_table(hours: Sequence[Hour]) -> pa.Table:
    """Return hours by name."""
    owners = [hour.owner.partition("/") for hour in hours]
    return pa.table(
        {
            "tenant": pa.array([tenant for tenant, _, _ in owners], pa.string()),
            "device_id": pa.array([device_id for _, _, device_id in owners], pa.string()),
            "hour_ms": pa.array([hour.hour_ms for hour in hours], pa.int64()),
        }
    )


def run_table(runs: Sequence[FollowedRun]) -> pa.Table:
    """Return runs to be remembered."""
    rows = []
    for run in runs:
        tenant, _, device_id = run.owner.partition("/")
        rows.append({"tenant": tenant, "device_id": device_id, **run._asdict()})
    return pa.Table.from_pylist(rows, schema=_RUN)
