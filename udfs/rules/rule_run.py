"""One rule on one device: at once on the newest reading, again after one out of order, settled by time."""

from collections.abc import Iterable

from udfs.rules.alerts import Alert, AlertChange, Origin, apply, change, differences
from udfs.rules.condition import Evidence
from udfs.rules.evaluator import State
from udfs.rules.reading import RuleDevice, RuleReading
from udfs.rules.rule_book import Compiled
from udfs.rules.runner_state import Run


def new_run(one: Compiled) -> Run:
    """Return a rule's run on a device that sent it nothing."""
    return Run(one.version, one.shadow, one.form, one.subject, one.evaluator.initial())


def step_head(one: Compiled, run: Run, reading: RuleReading, device: RuleDevice) -> list[AlertChange]:
    """Judge the newest reading."""
    head = run.head
    if head is None:
        head = run.head = run.base.clone()
    run.last_ms = reading.event_time_ms
    transitions = one.evaluator.step(head, reading)
    return apply(run.told, transitions, _origin(one, device)) if transitions else []


def run_again(
    one: Compiled, run: Run, pending: list[RuleReading], watermark_ms: int, device: RuleDevice
) -> list[AlertChange]:
    """Judge all pending readings anew, and return how the alerts differ from what was told."""
    if one.evaluator.waits:
        return []
    head = run.head = run.base.clone()
    alerts = [] if run.open is None else [run.open]
    run.last_ms = 0
    _pass(one, run, head, pending, alerts, device)
    apply(alerts, one.evaluator.pass_time(head, watermark_ms), _origin(one, device))
    changes = differences(run.told, alerts, device)
    run.told = alerts
    return changes


def settle(
    one: Compiled, run: Run, passed: list[RuleReading], watermark_ms: int, device: RuleDevice
) -> list[AlertChange]:
    """Let the watermark pass: what lies behind it will not change any more."""
    if run.head is None:
        return _settle_base(one, run, passed, watermark_ms, device)
    transitions = one.evaluator.pass_time(run.head, watermark_ms)
    changes = apply(run.told, transitions, _origin(one, device)) if transitions else []
    if run.last_ms <= watermark_ms:
        run.base, run.head = run.head, None
        _forget_cleared(run)
        return changes
    alerts = [] if run.open is None else [run.open]
    _pass(one, run, run.base, passed, alerts, device)
    apply(alerts, one.evaluator.pass_time(run.base, watermark_ms), _origin(one, device))
    final = {alert.alert_id for alert in alerts if alert.cleared_ms is not None}
    run.open = alerts[-1] if alerts and alerts[-1].cleared_ms is None else None
    run.told = [alert for alert in run.told if alert.alert_id not in final]
    return changes


def _settle_base(
    one: Compiled, run: Run, passed: list[RuleReading], watermark_ms: int, device: RuleDevice
) -> list[AlertChange]:
    changes = _pass(one, run, run.base, passed, run.told, device) if one.evaluator.waits else []
    transitions = one.evaluator.pass_time(run.base, watermark_ms)
    if transitions:
        changes += apply(run.told, transitions, _origin(one, device))
    if changes:
        _forget_cleared(run)
    return changes


def _pass(
    one: Compiled,
    run: Run,
    state: State,
    readings: Iterable[RuleReading],
    alerts: list[Alert],
    device: RuleDevice,
) -> list[AlertChange]:
    step, since_ms = one.evaluator.step, run.since_ms
    changes: list[AlertChange] = []
    for reading in readings:
        if since_ms is None or reading.event_time_ms > since_ms:
            run.last_ms = max(run.last_ms, reading.event_time_ms)
            if transitions := step(state, reading):
                changes += apply(alerts, transitions, _origin(one, device))
    return changes


def _forget_cleared(run: Run) -> None:
    if run.told:
        last = run.told[-1]
        run.open = last if last.cleared_ms is None else None
        run.told = [] if run.open is None else [run.open]


def _origin(one: Compiled, device: RuleDevice) -> Origin:
    return Origin(device, one.rule, one.version, one.shadow)


def revise(
    run: Run, one: Compiled | None, newest_ms: int, device: RuleDevice
) -> tuple[Run | None, list[AlertChange]]:
    """Go on by a rule's new version from `newest_ms` on, the device's newest reading.

    An open alert keeps its id and version and goes on, unless the rule is gone, watches something else or
    changed between shadow and enabled: then it clears. What the condition remembers is kept where the edit
    left its meaning, as when only a threshold's duration or a deviation's z changed.
    """
    opened = run.told[-1] if run.told and run.told[-1].cleared_ms is None else None
    if one is None:
        return None, _closed(
            opened, newest_ms, "the rule is gone, disabled or no longer for this device", device
        )
    kept = new_run(one)
    kept.since_ms = run.since_ms if one.evaluator.waits else newest_ms
    if one.subject != run.subject or one.shadow != run.shadow:
        return kept, _closed(opened, newest_ms, "the rule was changed", device)
    head = run.base if run.head is None else run.head
    if one.form == run.form:
        kept.base = head
    else:
        kept.base.memory.since_ms = head.memory.since_ms
        kept.base.raised, kept.base.level = head.raised, head.level
        kept.base.waiting, kept.base.opens_ms = head.waiting, head.opens_ms
    if opened is not None:
        kept.open, kept.told = opened, [opened]
    return kept, []


def _closed(alert: Alert | None, at_ms: int, reason: str, device: RuleDevice) -> list[AlertChange]:
    if alert is None:
        return []
    evidence: Evidence = {"reason": reason}
    return [change(alert, device, "cleared", max(at_ms, alert.raised_ms), evidence)]
