"""Follows runs in which late readings still have an effect: an alert that is open, a condition that lasts.

What came meanwhile is read once, and the run goes on from where it was.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from pyiceberg.table import Table

from jobs.corrections.alert_choice import Found
from jobs.corrections.alert_reads import FollowedRun, Judged, due_runs, judged_readings
from jobs.corrections.alert_rows import run_table
from jobs.corrections.alert_rules import Judge, TenantRules
from jobs.corrections.alert_sources import AlertSources, AlertTables
from jobs.corrections.alert_telling import tell_untold
from jobs.corrections.memory import Memory
from jobs.corrections.shares import Share
from udfs.rules.late_run import LateRun, ended
from udfs.rules.look_back import DAY_MS
from udfs.rules.reading import RuleDevice
from udfs.session_corrections import Span

_SOON_MS: Final = 60_000
_LATER_MS: Final = 3_600_000
_STEP_MS: Final = 6 * 3_600_000
# An alert that is open for longer is left to people.
FOLLOWED_MS: Final = 7 * DAY_MS


class _Following(NamedTuple):
    """A run that goes on: where it was, by whom it is judged, and itself."""

    was: FollowedRun
    judge: Judge
    run: LateRun


def lasts(run: LateRun, judge: Judge, last_ms: int) -> bool:
    """Tell whether late readings up to `last_ms` still have an effect on alerts."""
    is_answered = run.kept.answered_ms >= last_ms + judge.look_ahead_ms
    return run.has_open or not (run.is_over or is_answered)


def followed(run: LateRun, judge: Judge, owner: str, span: Span, last_ms: int, final_ms: int) -> FollowedRun:
    """Return a run to be followed; its turn is at once while more is known than was read.

    Then it is when as much time has passed as since the last late reading, an hour at most.
    """
    pause_ms = min(max(span.to_ms - last_ms, _SOON_MS), _LATER_MS)
    not_before_ms = span.to_ms + pause_ms if span.to_ms >= final_ms - 1 else 0
    one = judge.compiled
    return FollowedRun(
        owner, one.rule, one.form, span.from_ms, last_ms, span.to_ms, not_before_ms, run.encode()
    )


class Followed(NamedTuple):
    """How many runs went on, and how many alerts they raised."""

    runs: int
    raised: int


def follow_runs(
    memory: Memory, tables: AlertTables, sources: AlertSources, share: Share, final_ms: int
) -> Followed:
    """Let the next runs of a share go on until `final_ms`."""
    due = due_runs(memory, share, final_ms)
    if not due:
        return Followed(0, 0)
    devices = sources.devices({run.owner for run in due})
    rules = {device.tenant: TenantRules(sources.rules(device.tenant)) for device in devices.values()}
    going = [one for run in due if (one := _going(run, devices[run.owner], rules)) is not None]
    found = _ended(due, going, devices)
    spans = _spans(going, final_ms)
    _go_on(memory, tables.readings, going, spans)
    found += [Found(one.run.changes(), one.was.from_ms) for one in going]
    raised = tell_untold(found, tables.alert_events, sources)
    with memory.whole():
        memory.give("begun_run", run_table(_still(going, spans, final_ms)))
        memory.run("follow_runs")
        memory.count("alerts_raised", raised)
    return Followed(len(due), raised)


def _going(run: FollowedRun, device: RuleDevice, rules: Mapping[str, TenantRules]) -> _Following | None:
    judge = rules[device.tenant].judge(device, run.rule)
    if judge is None or judge.compiled.form != run.form:
        return None
    return _Following(run, judge, LateRun(judge.compiled, device, run.kept))


def _ended(
    due: Iterable[FollowedRun], going: Iterable[_Following], devices: Mapping[str, RuleDevice]
) -> list[Found]:
    kept = {id(one.was) for one in going}
    reason = "the rule was changed, or is no longer for this device"
    return [
        Found(ended(run.kept, devices[run.owner], run.until_ms, reason), run.from_ms)
        for run in due
        if id(run) not in kept
    ]


def _spans(going: Iterable[_Following], final_ms: int) -> dict[str, Span]:
    begins: defaultdict[str, list[int]] = defaultdict(list)
    for one in going:
        begins[one.was.owner].append(one.was.until_ms + 1)
    return {
        owner: Span(min(times), min(min(times) + _STEP_MS, final_ms - 1)) for owner, times in begins.items()
    }


def _go_on(memory: Memory, readings: Table, going: Sequence[_Following], spans: Mapping[str, Span]) -> None:
    own: defaultdict[str, list[_Following]] = defaultdict(list)
    for one in going:
        own[one.was.owner].append(one)
    metrics = {name for one in going for name in one.judge.compiled.evaluator.metrics}
    if going:
        for owner, judged in judged_readings(memory, readings, list(spans.items()), sorted(metrics)):
            _take(own[owner], judged)
    for one in going:
        one.run.pass_time(max(spans[one.was.owner].to_ms, one.was.until_ms))


def _take(going: Sequence[_Following], judged: Iterable[Judged]) -> None:
    # What else came late is judged by itself: here it counts with and without.
    for reading, _ in judged:
        for one in going:
            if reading.event_time_ms > one.was.until_ms:
                one.run.take(reading, late=False)


def _still(going: Iterable[_Following], spans: Mapping[str, Span], final_ms: int) -> list[FollowedRun]:
    found = []
    for was, judge, run in going:
        span = Span(was.from_ms, max(spans[was.owner].to_ms, was.until_ms))
        if lasts(run, judge, was.last_ms) and span.to_ms < was.last_ms + FOLLOWED_MS:
            found.append(followed(run, judge, was.owner, span, was.last_ms, final_ms))
    return found
