"""Sequence: A, then B (then C ...) within some time, without D between.

Matches are those of SQL's MATCH_RECOGNIZE with PATTERN (A X*? B), X = not D, AFTER MATCH SKIP PAST LAST ROW:
every reading that is an A starts an attempt, the oldest that comes to its end wins, and a match uses up all
readings up to its last.
"""

from collections.abc import Sequence as Several
from typing import Annotated, ClassVar, Final

import msgspec

from udfs.rules.condition import (
    NOTHING,
    Condition,
    Detector,
    Example,
    Level,
    Limit,
    Memory,
    Metric,
    Seconds,
    Signal,
    Signals,
    ms,
    one_of,
)
from udfs.rules.reading import RuleReading

MOST_ATTEMPTS: Final = 1000
# When it started, and the number of steps it has come.
Attempt = tuple[int, int]


class Bound(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A reading with the metric above (or below) a value."""

    metric: Metric
    above: float | None = None
    below: float | None = None

    def __post_init__(self) -> None:
        one_of("above, below", self.above, self.below)


class Step(Bound, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"name": "as"}):
    """One step of a sequence, with a name for people."""

    name: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,31}\Z")]


Steps = Annotated[tuple[Step, ...], msgspec.Meta(min_length=2, max_length=8)]


class Sequence(Condition, frozen=True, kw_only=True, tag="sequence"):
    """Raises when the last step comes, at most `within_s` after the first; the onset is the first step.

    A sequence is over when it is complete, so its alert clears by itself `clear_after_s` (default
    `within_s`) later, or when the next match raises another.
    """

    judged_only: ClassVar[frozenset[str]] = frozenset({"within_s", "clear_after_s"})
    example: ClassVar[Example] = {
        "kind": "sequence",
        "steps": [
            {"as": "door", "metric": "door_open", "above": 0.5},
            {"as": "warm", "metric": "temperature_c", "above": 8},
        ],
        "within_s": 600,
    }

    steps: Steps
    within_s: Seconds
    without: Bound | None = None
    clear_after_s: Seconds | None = None

    def __post_init__(self) -> None:
        if len({step.name for step in self.steps}) < len(self.steps):
            raise ValueError("two steps of a sequence have one name")

    def detector(self, levels: Several[Level]) -> Detector:
        """Return a detector of sequences."""
        return _Detector(self)


class _Memory(Memory, tag="sequence", gc=False):
    """`attempts` are oldest first; `matched_ms` is when the open alert's last step came."""

    attempts: tuple[Attempt, ...] = ()
    matched_ms: int | None = None


class _Test:
    __slots__ = ("_beyond", "_metric")

    def __init__(self, bound: Bound) -> None:
        self._metric, self._beyond = bound.metric, Limit(bound.above, bound.below).beyond

    def holds(self, reading: RuleReading) -> bool:
        value = reading.metrics.get(self._metric)
        return value is not None and self._beyond(value)


class _Detector(Detector):
    def __init__(self, rule: Sequence) -> None:
        bounds = [*rule.steps, *([] if rule.without is None else [rule.without])]
        self.metrics = tuple(dict.fromkeys(bound.metric for bound in bounds))
        self._names = " then ".join(step.name for step in rule.steps)
        self._steps = [_Test(step) for step in rule.steps]
        self._without = None if rule.without is None else _Test(rule.without)
        self._within_ms = ms(rule.within_s)
        self._clear_ms = ms(rule.within_s if rule.clear_after_s is None else rule.clear_after_s)

    def initial(self) -> _Memory:
        return _Memory()

    def step(self, memory: _Memory, reading: RuleReading) -> Signals:
        at_ms = reading.event_time_ms
        ended = self.expire(memory, at_ms) if memory.since_ms is not None else NOTHING
        going, begun_ms = self._on(memory.attempts, reading) if memory.attempts else ([], None)
        if begun_ms is None:
            if self._steps[0].holds(reading):
                going.append((at_ms, 1))
            if going or memory.attempts:
                memory.attempts = tuple(going[-MOST_ATTEMPTS:])
            return ended
        if memory.since_ms is not None:
            ended = (self._ended(memory, at_ms),)
        memory.since_ms, memory.matched_ms, memory.attempts = begun_ms, at_ms, ()
        evidence: dict[str, float | str] = {"steps": self._names, "took_s": (at_ms - begun_ms) / 1000}
        return (*ended, Signal("begins", begun_ms, at_ms, evidence))

    def _on(self, attempts: tuple[Attempt, ...], reading: RuleReading) -> tuple[list[Attempt], int | None]:
        last, first_ms = len(self._steps), reading.event_time_ms - self._within_ms
        holds = [step.holds(reading) for step in self._steps]
        broken = self._without is not None and self._without.holds(reading)
        going: list[Attempt] = []
        for start_ms, done in attempts:
            if start_ms < first_ms:
                continue
            if holds[done]:
                if done + 1 == last:
                    return [], start_ms
                going.append((start_ms, done + 1))
            elif not broken:
                going.append((start_ms, done))
        return going, None

    def expire(self, memory: _Memory, before_ms: int) -> Signals:
        end_ms = self.deadline_ms(memory)
        return NOTHING if end_ms is None or end_ms >= before_ms else (self._ended(memory, end_ms),)

    def deadline_ms(self, memory: _Memory) -> int | None:
        if memory.since_ms is None:
            return None
        return (memory.since_ms if memory.matched_ms is None else memory.matched_ms) + self._clear_ms

    def _ended(self, memory: _Memory, at_ms: int) -> Signal:
        since_ms, memory.since_ms, memory.matched_ms = memory.since_ms or 0, None, None
        return Signal("ends", since_ms, at_ms, {"steps": self._names})
