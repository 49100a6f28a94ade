"""A trial's alerts, judged by what the log holds of its rules and readings."""

import time
from collections.abc import Collection
from typing import Any, Final, NamedTuple

from bench.alert_log import Begin, alerts_in, out_of_order, readings_in, versions_in
from bench.alert_verdict import Verdict, instance_of, judge_alerts
from bench.alert_waves import Waves
from bench.log_records import LogRecord
from bench.rules_in_force import DELAY_MS
from bench.stored import wait_until
from millrace.settings import Settings
from tests.oracle.rule_versions import Alert, Version, alerts_of

# What must not come, would come by then.
_LATECOMERS_S: Final = 5.0


class Judged(NamedTuple):
    """What the log held, and what the stream told of it.

    `retroactive` are alerts that corrections raised besides, of readings the stream called late: they go by
    the version of when they are raised, and nobody is told.
    """

    versions: list[Version]
    out_of_order: int
    expected: list[Alert]
    told: list[LogRecord]
    retroactive: int
    verdict: Verdict
    settled_s: float


def judge_log(settings: Settings, begin: Begin, waves: Waves, patience_s: float) -> Judged:
    """Compute what must be told from the log, wait until it is or nothing more comes, and compare."""
    versions = versions_in(settings, begin, waves.prefix)
    readings = list(readings_in(settings, begin, waves.prefix, waves.metric))
    expected = alerts_of(versions, readings, DELAY_MS)
    changes = len(expected) + sum(alert.cleared_ms is not None for alert in expected)

    def live() -> list[LogRecord]:
        return [one for one in alerts_in(settings, begin, waves.prefix) if not one.fields["retroactive"]]

    def look() -> tuple[int]:
        told = live()
        return (len({(instance_of(record.fields), record.fields["kind"]) for record in told}),)

    settled_s = wait_until(look, (changes,), patience_s)
    time.sleep(_LATECOMERS_S)
    told = live()
    others = {one.fields["alert_id"] for one in alerts_in(settings, begin, waves.prefix)}
    others -= {one.fields["alert_id"] for one in told}
    verdict = judge_alerts(expected, (record.fields for record in told))
    return Judged(versions, out_of_order(readings), expected, told, len(others), verdict, settled_s)


def delays_ms(told: Collection[LogRecord]) -> list[int]:
    """Return how long after its reading's time each change of an alert was in the log, repetitions apart."""
    first: dict[tuple[Any, ...], int] = {}
    for record in told:
        name = (*instance_of(record.fields), record.fields["kind"])
        first.setdefault(name, record.appended_ms - record.fields["at_ms"])
    return list(first.values())
