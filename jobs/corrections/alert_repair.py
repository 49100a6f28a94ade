"""Raises the alerts that late readings make true, in hindsight: nobody is told as if it were now.

A rule is judged over the readings of the device around them, with them and without. What the stream told is
not taken back. What a late reading changes is mostly over with the next one; a run in which it is not is
followed (`alert_following`).
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from pyiceberg.table import Table

from jobs.corrections.alert_choice import Found
from jobs.corrections.alert_following import followed, lasts
from jobs.corrections.alert_reads import FollowedRun, Hour, Judged, due_hours, judged_readings
from jobs.corrections.alert_rows import hour_table, run_table
from jobs.corrections.alert_rules import Judge, TenantRules
from jobs.corrections.alert_sources import AlertSources, AlertTables
from jobs.corrections.alert_telling import tell_untold
from jobs.corrections.memory import Memory
from jobs.corrections.shares import Share
from udfs.rules.late_run import LateRun
from udfs.rules.look_back import DAY_MS
from udfs.rules.reading import RuleDevice
from udfs.session_corrections import Span

# How much more than a rule needs is read around late readings; further back each time, until some are there.
MARGIN_MS: Final = 600_000
_FURTHER: Final = 6
# A long span is read with as much of its past as costs little beside it: then it need not be read again.
_SPAN_TO_MARGIN: Final = 24
# Hours judged at once begin with the least; then with as many as hold about so many readings.
LEAST_HOURS: Final = 1_000
MOST_HOURS: Final = 50_000
MOST_READINGS: Final = 400_000
_GROWTH: Final = 8


class Stretch(NamedTuple):
    """Late hours of a device that are judged together, by which rules, and the span that is read for it."""

    device: RuleDevice
    hours: Sequence[Hour]
    judges: Sequence[Judge]
    span: Span

    @property
    def owner(self) -> str:
        """The device, as `tenant/device_id`."""
        return f"{self.device.tenant}/{self.device.device_id}"

    @property
    def last_ms(self) -> int:
        """The end of the last hour."""
        return max(hour.end_ms for hour in self.hours)


class Outcome(NamedTuple):
    """What late readings raise, the runs to be followed, and whether to look further back first.

    `readings` is how many were read for it.
    """

    stretch: Stretch
    found: Sequence[Found]
    going_on: Sequence[FollowedRun]
    is_far: bool
    readings: int


class JudgedHours(NamedTuple):
    """How many hours had their turn, how many readings were read for them, how many alerts were raised."""

    hours: int
    readings: int
    raised: int

    def next_hours(self, at_once: int) -> int:
        """Return how many hours to judge at once the next time, by what these cost."""
        fitting = MOST_READINGS * self.hours // max(1, self.readings)
        return max(24, min(fitting, at_once * _GROWTH, MOST_HOURS))


def judge_hours(
    memory: Memory,
    tables: AlertTables,
    sources: AlertSources,
    share: Share,
    most_hours: int,
    final_ms: int,
    now_ms: int,
) -> JudgedHours:
    """Judge the newest hours of a share that event time has passed for good.

    Telling first, forgetting last: whoever is cut off in between tells the same again, which changes nothing.
    """
    hours = due_hours(memory, share, most_hours, final_ms, now_ms)
    if not hours:
        return JudgedHours(0, 0, 0)
    stretches = _stretches(hours, sources, final_ms)
    outcomes = _outcomes(memory, tables.readings, stretches, final_ms) if stretches else []
    far = {hour for one in outcomes if one.is_far for hour in one.stretch.hours}
    judged = [one for one in outcomes if not one.is_far]
    raised = tell_untold((f for one in judged for f in one.found), tables.alert_events, sources)
    with memory.whole():
        memory.give("settled_hour", hour_table([hour for hour in hours if hour not in far]))
        memory.give("far_hour", hour_table(list(far)))
        memory.give("begun_run", run_table([run for one in judged for run in one.going_on]))
        memory.run("settle_hours")
        memory.count("late_hours_judged", len(hours) - len(far))
        memory.count("alerts_raised", raised)
    return JudgedHours(len(hours), sum(one.readings for one in outcomes), raised)


def _stretches(hours: Iterable[Hour], sources: AlertSources, final_ms: int) -> list[Stretch]:
    own: defaultdict[str, list[Hour]] = defaultdict(list)
    for hour in hours:
        own[hour.owner].append(hour)
    devices = sources.devices(own.keys())
    tenants = {device.tenant for device in devices.values()}
    rules = {tenant: TenantRules(sources.rules(tenant)) for tenant in tenants}
    found = (
        stretch_of(devices[owner], late, rules[devices[owner].tenant], final_ms)
        for owner, late in own.items()
    )
    return [stretch for stretch in found if stretch is not None]


def _outcomes(memory: Memory, readings: Table, stretches: Sequence[Stretch], final_ms: int) -> list[Outcome]:
    by_owner = {stretch.owner: stretch for stretch in stretches}
    metrics = {name for one in stretches for judge in one.judges for name in judge.compiled.evaluator.metrics}
    spans = [(owner, stretch.span) for owner, stretch in by_owner.items()]
    read = judged_readings(memory, readings, spans, sorted(metrics))
    return [outcome_of(by_owner[owner], judged, final_ms) for owner, judged in read]


def stretch_of(
    device: RuleDevice, hours: Sequence[Hour], rules: TenantRules, final_ms: int
) -> Stretch | None:
    """Return late hours of a device with what is read for them; None when they concern no rule.

    A day back, for alerts that are open already, only where what is nearer tells nothing: alerts that were
    told are known, and of others both runs think the same.
    """
    metrics = {metric for hour in hours for metric in hour.metrics}
    judges = rules.judges(device, metrics, any(hour.located for hour in hours))
    if not judges:
        return None
    back_ms = margin_ms(hours) + max(judge.look_back_ms for judge in judges) - DAY_MS
    ahead_ms = MARGIN_MS + max(judge.look_ahead_ms for judge in judges)
    first_ms, last_ms = min(hour.hour_ms for hour in hours), max(hour.end_ms for hour in hours)
    span = Span(max(0, first_ms - back_ms), min(last_ms + ahead_ms, final_ms - 1))
    return Stretch(device, hours, judges, span)


def margin_ms(hours: Sequence[Hour]) -> int:
    """Return how much further back than the rules need it is looked, a day at most."""
    further: int = _FURTHER ** max(hour.far for hour in hours)
    length_ms = max(hour.end_ms for hour in hours) - min(hour.hour_ms for hour in hours)
    return min(max(MARGIN_MS * further, length_ms // _SPAN_TO_MARGIN), DAY_MS)


def outcome_of(stretch: Stretch, readings: Iterable[Judged], final_ms: int) -> Outcome:
    """Judge the readings of a stretch, which come in order."""
    runs = [LateRun(judge.compiled, stretch.device) for judge in stretch.judges]
    count = 0
    for reading, late in readings:
        count += 1
        for run in runs:
            run.take(reading, late)
    for run in runs:
        run.pass_time(stretch.span.to_ms)
    found = [Found(run.changes(), stretch.span.from_ms) for run in runs]
    going_on = [
        followed(run, judge, stretch.owner, stretch.span, stretch.last_ms, final_ms)
        for run, judge in zip(runs, stretch.judges, strict=True)
        if lasts(run, judge, stretch.last_ms)
    ]
    is_far = margin_ms(stretch.hours) < DAY_MS and not all(run.kept.knows_past for run in runs)
    return Outcome(stretch, found, going_on, is_far, count)
