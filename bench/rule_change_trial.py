"""Rules change while readings come: each alert is by the version in force, none lost, none doubled."""

from collections.abc import Callable
from typing import Final, NamedTuple

from bench.alert_judgement import Judged, delays_ms, judge_log
from bench.alert_log import begin_of
from bench.alert_waves import Sent, Waves, send
from bench.flink_jobs import JobRun, job_run
from bench.rule_edits import RuleEdits
from bench.rules_in_force import DELAY_MS, Definition, in_force, threshold
from bench.storm_verdict import Delays, percentiles
from millrace.settings import Settings

# Of waves that reach 100: often, less often, never.
LIMITS: Final = (40.0, 70.0, 110.0)
# Within this a change is promised to be in force.
PROMISED_MS: Final = 5_000
# Edits end before the readings do, so that the last ones judge some.
_LAST_EDIT_S: Final = 3.0
Say = Callable[[str], None]


class RuleChanges(NamedTuple):
    """Size and rhythm of a trial; each device has a rule of its own."""

    devices: int = 200
    rate: int = 5_000
    seconds: float = 60.0
    edits_per_s: float = 5.0
    period_s: float = 4.0
    over_mqtt: int = 10
    patience_s: float = 60.0


class RuleChangeFigures(NamedTuple):
    """What a trial came to.

    `in_force` is from the request of an edit; `told` from a reading's time until `alerts` held what it did.
    """

    readings: int
    readings_per_s: float
    out_of_order: int
    edits: int
    edits_per_s: float
    in_force: Delays
    alerts: int
    by_edited_versions: int
    repeated: int
    retroactive: int
    told: Delays
    settled_s: float
    differences: list[str]


def run_rule_change_trial(settings: Settings, wanted: RuleChanges, run: str, say: Say) -> RuleChangeFigures:
    """Put rules in force, send and edit, then judge what `alerts` holds by what the log holds."""
    waves = Waves(run, wanted.devices, wanted.rate, wanted.seconds, wanted.period_s, wanted.over_mqtt)
    begin, rules = begin_of(settings), rules_of(waves)
    with in_force(settings, rules):
        say(f"{len(rules)} rules are in force")
        before = job_run(settings, "alerts")
        seconds = max(0.0, wanted.seconds - _LAST_EDIT_S)
        with RuleEdits(settings, rules, LIMITS, wanted.edits_per_s, seconds) as edits:
            sent = send(settings, waves)
        say(f"{sent.readings:,} readings at {sent.per_s:,.0f}/s, {len(edits.made)} edits")
        found = judge_log(settings, begin, waves, wanted.patience_s)
        restarted = _restarted(before, job_run(settings, "alerts"))
    return _figures(found, sent, edits, wanted, restarted)


def rules_of(waves: Waves) -> list[Definition]:
    """Return a rule for each device, at the limits in turn."""
    return [
        threshold(name, waves.metric, LIMITS[place % len(LIMITS)], scope={"devices": [name]})
        for place, name in enumerate(map(waves.device, range(waves.devices)))
    ]


def _figures(
    found: Judged, sent: Sent, edits: RuleEdits, wanted: RuleChanges, restarted: list[str]
) -> RuleChangeFigures:
    log_ms = {(one.rule, one.version): one.log_ms for one in found.versions}
    delays = [
        log_ms[edit.rule, edit.version] + DELAY_MS - edit.asked_ms
        for edit in edits.made
        if (edit.rule, edit.version) in log_ms
    ]
    in_force, told = percentiles(delays), percentiles(delays_ms(found.told))
    return RuleChangeFigures(
        readings=sent.readings,
        readings_per_s=round(sent.per_s),
        out_of_order=found.out_of_order,
        edits=len(edits.made),
        edits_per_s=round(len(edits.made) / max(1.0, wanted.seconds - _LAST_EDIT_S), 1),
        in_force=in_force,
        alerts=found.verdict.alerts,
        by_edited_versions=sum(alert.version > 1 for alert in found.expected),
        repeated=found.verdict.repeated,
        retroactive=found.retroactive,
        told=told,
        settled_s=round(found.settled_s, 1),
        differences=[
            *found.verdict.differences,
            *restarted,
            *_faults_of_edits(edits, len(edits.made) - len(delays), in_force),
        ],
    )


def _faults_of_edits(edits: RuleEdits, unpublished: int, in_force: Delays) -> list[str]:
    faults = [f"{len(edits.refused)} edits were refused: {edits.refused[:3]}"] if edits.refused else []
    faults += [f"{unpublished} edits never came to `rules`"] if unpublished else []
    slow = in_force.p99_ms > PROMISED_MS
    return (
        [*faults, f"p99 of change to in force is {in_force.p99_ms} ms, not {PROMISED_MS}"] if slow else faults
    )


def _restarted(before: JobRun, after: JobRun) -> list[str]:
    return [] if before == after else [f"job alerts was restarted: {before} before, {after} after"]
