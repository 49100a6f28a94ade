"""The one evaluator: what judges live readings, a rule's examples and the backtest.

It takes the readings of one device in order of event time, without duplicates, and is deterministic: what
event time brings about by itself (silence, a window that empties, a schedule that opens) is told with the
exact moment, however coarsely `pass_time` is called.
"""

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple, Union

import msgspec

from udfs.rules.condition import Evidence, Memory, Severity, Signal
from udfs.rules.discovery import kinds, memories
from udfs.rules.model import Rule, condition_for
from udfs.rules.reading import RuleDevice, RuleReading
from udfs.rules.schedule import Schedule

if TYPE_CHECKING:
    AnyMemory = Memory
else:
    kinds()
    AnyMemory = Union[memories()]  # noqa: UP007


class Transition(NamedTuple):
    """What became of the alert: `at_ms` is the event time of it, `onset_ms` when the condition began."""

    kind: Literal["raised", "escalated", "downgraded", "cleared"]
    onset_ms: int
    at_ms: int
    severity: Severity
    evidence: Evidence


NONE: tuple[Transition, ...] = ()


class State(msgspec.Struct, array_like=True):
    """What an evaluator keeps of a device: what the condition remembers, and what became of the alert.

    `waiting` is a condition that began outside the schedule, which opens at `opens_ms`. `level` is the
    one last told. Fields added later go to the end and have defaults.
    """

    memory: AnyMemory
    raised: bool = False
    level: int = 0
    waiting: Signal | None = None
    opens_ms: int = 0

    def clone(self) -> "State":
        """Return an independent copy."""
        return State(self.memory.clone(), self.raised, self.level, self.waiting, self.opens_ms)


class Evaluator:
    """A rule compiled for a device; evaluators are shared by devices, states are not."""

    __slots__ = (
        "_schedule", "_severities", "detector", "located", "metrics", "waits",
    )  # fmt: skip

    def __init__(self, rule: Rule, device_id: str, counters: Collection[str] = ()) -> None:
        self.detector = condition_for(rule, device_id).detector(rule.levels)
        self.detector.is_counter = any(metric in counters for metric in self.detector.metrics)
        self._schedule: Schedule | None = rule.schedule
        self._severities: tuple[Severity, ...] = (
            rule.severity,
            *(level.severity for level in rule.levels),
        )
        self.metrics, self.located = self.detector.metrics, self.detector.located
        self.waits = self.detector.waits

    def initial(self) -> State:
        """Return the state of a device that sent nothing."""
        return State(self.detector.initial())

    def step(self, state: State, reading: RuleReading) -> tuple[Transition, ...]:
        """Take the next reading; `state` changes in place. One that says nothing to the rule does no harm."""
        signals = self.detector.step(state.memory, reading)
        if signals or state.waiting is not None:
            return self._judge(state, signals, reading.event_time_ms)
        return NONE

    def pass_time(self, state: State, watermark_ms: int) -> tuple[Transition, ...]:
        """Tell what time brought about up to the watermark, which no further reading may reach."""
        signals = self.detector.expire(state.memory, watermark_ms + 1)
        if signals or state.waiting is not None:
            return self._judge(state, signals, watermark_ms + 1)
        return NONE

    def begin(self, state: State, at_ms: int) -> bool:
        """Count silence from a moment on where none is counted; False when nothing changed."""
        return not state.raised and self.detector.begin(state.memory, at_ms)

    def stop(self, state: State) -> None:
        """Count silence no more that `begin` began, unless it is told already."""
        self.detector.stop(state.memory)

    def deadline_ms(self, state: State) -> int | None:
        """Return when `pass_time` will have something to tell if no reading comes, or None."""
        own = self.detector.deadline_ms(state.memory)
        if state.waiting is None:
            return own
        return state.opens_ms if own is None else min(own, state.opens_ms)

    def _judge(self, state: State, signals: Sequence[Signal], before_ms: int) -> tuple[Transition, ...]:
        told: list[Transition] = []
        for signal in signals:
            self._open(state, signal.at_ms, told)
            self._take(state, signal, told)
        self._open(state, before_ms, told)
        return tuple(told)

    def _open(self, state: State, before_ms: int, told: list[Transition]) -> None:
        waiting = state.waiting
        if waiting is not None and state.opens_ms < before_ms:
            self._raise(state, waiting._replace(at_ms=state.opens_ms), told)

    def _take(self, state: State, signal: Signal, told: list[Transition]) -> None:
        if signal.what == "begins":
            opens_ms = signal.at_ms if self._schedule is None else self._schedule.opens_ms(signal.at_ms)
            if opens_ms > signal.at_ms:
                state.waiting, state.opens_ms = signal, opens_ms
            else:
                self._raise(state, signal, told)
        elif state.waiting is not None:
            state.waiting = None if signal.what == "ends" else _risen(state.waiting, signal)
        elif signal.what == "ends":
            told.append(self._transition("cleared", signal, state.level))
            state.raised, state.level = False, 0
        else:
            kind: Literal["escalated", "downgraded"] = (
                "escalated" if signal.level > state.level else "downgraded"
            )
            state.level = signal.level
            told.append(self._transition(kind, signal, signal.level))

    def _raise(self, state: State, signal: Signal, told: list[Transition]) -> None:
        state.raised, state.level, state.waiting = True, signal.level, None
        told.append(self._transition("raised", signal, signal.level))

    def _transition(
        self, kind: Literal["raised", "escalated", "downgraded", "cleared"], signal: Signal, level: int
    ) -> Transition:
        # A rule edited while its alert was open may have fewer levels than the alert had.
        severity = self._severities[min(level, len(self._severities) - 1)]
        return Transition(kind, signal.onset_ms, signal.at_ms, severity, dict(signal.evidence))


def _risen(waiting: Signal, signal: Signal) -> Signal:
    return waiting._replace(level=signal.level, evidence=signal.evidence)


def compile_rule(rule: Rule, device: RuleDevice) -> Evaluator:
    """Return what judges a device by a rule; whether the device is in scope is not asked here."""
    return Evaluator(rule, device.device_id, device.counters)
