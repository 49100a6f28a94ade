"""Judges readings of a span anew by the rules as they are now, and raises what nobody was told of.

All readings of the span count as late: what they make true and is not known yet is raised in hindsight, as
the corrector does it, so nobody is notified. What was told and is not found again is left to people.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, NamedTuple

from pyiceberg.exceptions import CommitFailedException
from pyiceberg.table import Table

from catalog.branch import Branch, branch_of
from jobs.corrections.alert_choice import Found
from jobs.corrections.alert_following import FOLLOWED_MS
from jobs.corrections.alert_repair import MARGIN_MS
from jobs.corrections.alert_rows import alert_rows
from jobs.corrections.alert_rules import Judge, TenantRules
from jobs.corrections.alert_sources import AlertSources
from jobs.corrections.alert_telling import untold
from jobs.corrections.memory import Memory
from jobs.recompute.asked import DAY_MS, Asked
from jobs.recompute.judged import device_readings
from jobs.recompute.told_alerts import told_ids
from jobs.recompute.windows import DayDifference, WindowSources
from udfs.rules.alerts import AlertChange
from udfs.rules.late_run import LateRun
from udfs.rules.reading import RuleDevice

_WRITER: Final = "recompute"


class AlertPlan(NamedTuple):
    """Alerts of which devices and times are judged anew, from what, and up to when results are final."""

    sources: WindowSources
    alert_events: Table
    others: AlertSources
    asked: Asked
    final_ms: int


class AlertDifferences(NamedTuple):
    """What is to be told, and how many alerts of a device and day are new, told further, or not found."""

    changes: Sequence[AlertChange]
    differs: Sequence[DayDifference]


def alert_differences(memory: Memory, plan: AlertPlan) -> AlertDifferences:
    """Judge the span and compare with what was told; nothing is written."""
    found = list(_found(memory, plan))
    changes = untold(found, plan.alert_events, plan.others)
    whole = {change.alert_id: change for one in found for change in one.changes}
    told = told_ids(plan.alert_events, plan.asked)
    gone = {alert_id: place for alert_id, place in told.items() if alert_id not in whole}
    return AlertDifferences(changes, _by_day(changes, gone.values()))


def _found(memory: Memory, plan: AlertPlan) -> Iterator[Found]:
    owners = [f"{plan.asked.tenant}/{device}" for device in plan.asked.devices]
    rules = TenantRules(plan.others.rules(plan.asked.tenant))
    for device in plan.others.devices(owners).values():
        judges = rules.all_judges(device)
        if judges:
            yield from _of_device(memory, plan, device, judges)


def _of_device(
    memory: Memory, plan: AlertPlan, device: RuleDevice, judges: Sequence[Judge]
) -> Iterator[Found]:
    asked = plan.asked
    from_ms = max(0, asked.from_ms - MARGIN_MS - max(judge.look_back_ms for judge in judges))
    until_ms = asked.to_ms + MARGIN_MS + max(judge.look_ahead_ms for judge in judges)
    runs = [LateRun(judge.compiled, device) for judge in judges]
    metrics = sorted({name for judge in judges for name in judge.compiled.evaluator.metrics})
    last_ms = min(until_ms + FOLLOWED_MS, plan.final_ms)
    begin_ms = from_ms
    while begin_ms < last_ms:
        end_ms = min(begin_ms + DAY_MS, last_ms)
        piece = Asked(asked.tenant, (device.device_id,), begin_ms, end_ms)
        for reading in device_readings(memory, plan.sources, piece, metrics):
            late = asked.from_ms <= reading.event_time_ms < asked.to_ms
            for run in runs:
                run.take(reading, late)
        for run in runs:
            run.pass_time(end_ms - 1)
        begin_ms = end_ms
        # An alert that lasts is followed to its end, so that it does not stay open for ever.
        if begin_ms >= until_ms and not any(run.has_open for run in runs):
            break
    for run in runs:
        yield Found(_within(run.changes(), asked), from_ms)


def _within(changes: Sequence[AlertChange], asked: Asked) -> list[AlertChange]:
    return [one for one in changes if asked.from_ms <= one.onset_ms < asked.to_ms]


def _by_day(changes: Iterable[AlertChange], gone: Iterable[tuple[str, int]]) -> list[DayDifference]:
    counts: dict[tuple[str, int], list[int]] = {}

    def of(device: str, at_ms: int) -> list[int]:
        return counts.setdefault((device, at_ms // DAY_MS * DAY_MS), [0, 0, 0])

    raised = {change.alert_id for change in changes if change.kind == "raised"}
    places = {change.alert_id: (change.device_id, change.onset_ms) for change in changes}
    for alert_id, place in places.items():
        of(*place)[alert_id not in raised] += 1
    for place in gone:
        of(*place)[2] += 1
    return [DayDifference(device, day_ms, *found) for (device, day_ms), found in sorted(counts.items())]


@contextmanager
def staged_alerts(plan: AlertPlan, changes: Sequence[AlertChange], name: str) -> Iterator[Branch]:
    """Write what is to be told onto a branch, which is dropped at the end."""
    with branch_of(plan.alert_events, name, _WRITER) as branch:
        if changes:
            branch.append(alert_rows(changes))
        yield branch


def publish_alerts(memory: Memory, plan: AlertPlan, staged: Branch, changes: Sequence[AlertChange]) -> bool:
    """Tell of the alerts and publish their branch; False when others told of some of them meanwhile.

    The caller has the turn at writing corrections. The topic first, the history next, as the corrector does:
    cut off in between, the next time tells the same again, which changes nothing.
    """
    plan.alert_events.refresh()
    if alert_differences(memory, plan).changes != changes:
        return False
    plan.others.tell(changes)
    try:
        staged.publish()
    except CommitFailedException:
        return False
    return True
