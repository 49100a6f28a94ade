"""What the log holds of one trial: versions of its rules, its readings, its alerts."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from bench.log_records import LogRecord, Offsets, end_offsets, records
from millrace.settings import Settings
from tests.oracle.rule_versions import Heard, Version

TOPICS = ("rules", "telemetry", "alerts")
Begin = dict[str, Offsets]


def begin_of(settings: Settings) -> Begin:
    """Return where the topics end before a trial begins."""
    return {topic: end_offsets(settings, topic) for topic in TOPICS}


def versions_in(settings: Settings, begin: Begin, prefix: str) -> list[Version]:
    """Return the versions of a trial's thresholds that the log took."""
    found = _own(settings, begin, "rules", prefix)
    return [_version(one.fields, one.appended_ms) for one in found if _is_enabled(one.fields)]


def _is_enabled(fields: dict[str, Any]) -> bool:
    return bool(fields["attributes"]["state"] == "enabled")


def _version(fields: dict[str, Any], log_ms: int) -> Version:
    rule = json.loads(fields["attributes"]["rule"])
    when, devices = rule["when"], rule.get("scope", {}).get("devices", ("",))
    return Version(
        rule["rule"],
        round(fields["metrics"]["version"]),
        log_ms,
        devices[0],
        when["raise_above"],
        when.get("clear_below", when["raise_above"]),
    )


def readings_in(settings: Settings, begin: Begin, prefix: str, metric: str) -> Iterator[Heard]:
    """Yield a trial's readings in the order of the log."""
    for record in _own(settings, begin, "telemetry", prefix):
        fields = record.fields
        event_ms, value = round(fields["event_time"].timestamp() * 1000), fields["metrics"][metric]
        yield Heard(fields["device_id"], fields["event_id"], event_ms, record.appended_ms, value)


def out_of_order(readings: Iterable[Heard]) -> int:
    """Return how many readings came behind a newer one of their device."""
    newest_ms: dict[str, int] = {}
    count = 0
    for reading in readings:
        count += reading.event_ms <= newest_ms.get(reading.device_id, 0)
        newest_ms[reading.device_id] = max(reading.event_ms, newest_ms.get(reading.device_id, 0))
    return count


def alerts_in(settings: Settings, begin: Begin, prefix: str) -> list[LogRecord]:
    """Return the records of `alerts` that tell of a trial's devices."""
    return list(_own(settings, begin, "alerts", prefix))


def _own(settings: Settings, begin: Begin, topic: str, prefix: str) -> Iterator[LogRecord]:
    found = records(settings, topic, begin[topic])
    return (record for record in found if record.fields["device_id"].startswith(prefix))
