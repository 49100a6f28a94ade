"""An alert storm, the TaskManager killed in it: no alert lost, none told twice."""

import threading
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

import httpx

from bench.alert_judgement import Judged, delays_ms, judge_log
from bench.alert_log import begin_of
from bench.alert_verdict import instance_of
from bench.alert_waves import Waves, send
from bench.flink_jobs import job_run
from bench.notices import channel, judge_notices
from bench.processes import kill
from bench.rules_in_force import in_force, threshold
from bench.stored import wait_until
from bench.storm_verdict import Delays, percentiles
from millrace.settings import Settings

RAISE_ABOVE: Final = 60.0
CLEAR_BELOW: Final = 40.0
_PAGE: Final = 1000
Say = Callable[[str], None]


class AlertStorm(NamedTuple):
    """Size and rhythm of a trial; every device crosses the limit up and down once in `period_s`."""

    devices: int = 1_000
    rate: int = 2_000
    seconds: float = 60.0
    period_s: float = 20.0
    patience_s: float = 120.0


class AlertStormFigures(NamedTuple):
    """What a trial came to; `told` is from the time of a reading until `alerts` held what it did."""

    readings: int
    readings_per_s: float
    restarts: int
    alerts: int
    repeated: int
    retroactive: int
    told: Delays
    notices_raised: int
    notices_cleared: int
    settled_s: float
    differences: list[str]


def run_alert_storm_trial(settings: Settings, storm: AlertStorm, run: str, say: Say) -> AlertStormFigures:
    """Send, kill the TaskManager in the middle, and judge alerts, their life and what was told."""
    waves = Waves(run, storm.devices, storm.rate, storm.seconds, storm.period_s)
    begin, name = begin_of(settings), f"{run}-storm"
    rule = threshold(name, waves.metric, RAISE_ABOVE, notify=[name])
    rule["when"]["clear_below"] = CLEAR_BELOW
    with channel(settings, name) as receiver:
        with in_force(settings, [rule]):
            before = job_run(settings, "alerts")
            killer = threading.Timer(storm.seconds / 2, lambda: say(f"killed process {kill('taskmanager')}"))
            killer.start()
            sent = send(settings, waves)
            killer.join()
            say(f"{sent.readings:,} readings at {sent.per_s:,.0f}/s")
            found = judge_log(settings, begin, waves, storm.patience_s)
            kept = _await_kept(settings, name, found, storm.patience_s)
            notices = receiver.wait_raised(found.verdict.alerts, storm.patience_s)
        restarts = job_run(settings, "alerts").restarts - before.restarts
    ids = {record.fields["alert_id"] for record in found.told}
    return AlertStormFigures(
        readings=sent.readings,
        readings_per_s=round(sent.per_s),
        restarts=restarts,
        alerts=found.verdict.alerts,
        repeated=found.verdict.repeated,
        retroactive=found.retroactive,
        told=percentiles(delays_ms(found.told)),
        notices_raised=sum(notice.reason == "raised" for notice in notices),
        notices_cleared=sum(notice.reason == "cleared" for notice in notices),
        settled_s=round(found.settled_s, 1),
        differences=[
            *found.verdict.differences,
            *(["the kill did not restart the job"] if restarts < 1 else []),
            *judge_kept(found, kept),
            *judge_notices(notices, ids),
        ],
    )


def _await_kept(settings: Settings, rule: str, found: Judged, patience_s: float) -> list[dict[str, Any]]:
    """Return a rule's alerts by the API once as many are over as should be, or nothing moves."""

    def look() -> tuple[int]:
        return (sum(alert["state"] == "cleared" for alert in _kept(settings, rule)),)

    wanted = sum(alert.cleared_ms is not None for alert in found.expected)
    wait_until(look, (wanted,), patience_s)
    return list(_kept(settings, rule))


def _kept(settings: Settings, rule: str) -> Iterator[dict[str, Any]]:
    asked: dict[str, str | int] = {"tenant": settings.tenant, "rule": rule, "limit": _PAGE}
    while True:
        reply = httpx.get(f"http://{settings.address('api')}/alerts", params=asked, timeout=30)
        page = reply.raise_for_status().json()
        yield from page["alerts"]
        if page["next_cursor"] is None:
            return
        asked["cursor"] = page["next_cursor"]


def judge_kept(found: Judged, kept: list[dict[str, Any]]) -> list[str]:
    """Say which alerts the lifecycle has otherwise than they were."""
    wanted = {
        (alert.rule, alert.device_id, alert.onset_ms): (alert.version, alert.cleared_ms)
        for alert in found.expected
    }
    live = (alert for alert in kept if not alert["retroactive"])
    has = {instance_of(alert): (alert["rule_version"], alert["cleared_ms"]) for alert in live}
    wrong = sorted(name for name in wanted.keys() | has.keys() if wanted.get(name) != has.get(name))
    return [f"{len(wrong)} alerts are otherwise in the API: {wrong[:5]}"] if wrong else []
