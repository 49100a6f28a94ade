"""A rule over the past: what it would have raised, by the evaluator that judges the present."""

from collections.abc import Iterable

from udfs.rules.alerts import Alert, Origin, apply
from udfs.rules.evaluator import compile_rule
from udfs.rules.model import Rule
from udfs.rules.reading import RuleDevice, RuleReading, in_order


class PastRun:
    """A rule over one device's past, taken piece by piece; scope and state of the rule are not asked."""

    __slots__ = ("_evaluator", "_found", "_origin", "_state")

    def __init__(self, rule: Rule, device: RuleDevice, version: int = 0) -> None:
        self._evaluator = compile_rule(rule, device)
        self._state = self._evaluator.initial()
        self._origin = Origin(device, rule.rule, version, rule.state == "shadow")
        self._found: list[Alert] = []

    def take(self, readings: Iterable[RuleReading]) -> int | None:
        """Take readings in any order, all behind those of earlier pieces; return the last event time (ms)."""
        ordered = in_order(readings)
        state, step = self._state, self._evaluator.step
        for reading in ordered:
            if transitions := step(state, reading):
                apply(self._found, transitions, self._origin)
        return ordered[-1].event_time_ms if ordered else None

    def pass_time(self, until_ms: int) -> None:
        """Let time pass until and with `until_ms`."""
        apply(self._found, self._evaluator.pass_time(self._state, until_ms), self._origin)

    def over(self) -> list[Alert]:
        """Hand over the alerts that are cleared, oldest first, and forget them."""
        kept = 1 if self._found and self._found[-1].cleared_ms is None else 0
        gone = self._found[: len(self._found) - kept]
        del self._found[: len(gone)]
        return gone

    def alerts(self) -> list[Alert]:
        """Return all alerts not handed over, oldest first; the last may be open."""
        return list(self._found)


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
    run = PastRun(rule, device, version)
    last_ms = run.take(readings)
    if last_ms is not None:
        run.pass_time(last_ms if until_ms is None else until_ms)
    return run.alerts()
