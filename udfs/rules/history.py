"""A rule over the past: what it would have raised, by the evaluator that judges the present."""

from collections.abc import Iterable

from udfs.rules.alerts import Alert, Origin, apply
from udfs.rules.evaluator import compile_rule
from udfs.rules.model import Rule
from udfs.rules.reading import RuleDevice, RuleReading, in_order


def alerts_of(
    rule: Rule,
    device: RuleDevice,
    readings: Iterable[RuleReading],
    until_ms: int | None = None,
    version: int = 0,
) -> list[Alert]:
    """Return a rule's alerts on one device's readings, in any order; time passes until `until_ms`.

    Without `until_ms` it ends with the last reading. Scope and state of the rule are not asked.
    """
    ordered = in_order(readings)
    evaluator = compile_rule(rule, device)
    state, step = evaluator.initial(), evaluator.step
    found: list[Alert] = []
    origin = Origin(device, rule.rule, version, rule.state == "shadow")
    for reading in ordered:
        if transitions := step(state, reading):
            apply(found, transitions, origin)
    if ordered:
        end_ms = ordered[-1].event_time_ms if until_ms is None else until_ms
        apply(found, evaluator.pass_time(state, end_ms), origin)
    return found
