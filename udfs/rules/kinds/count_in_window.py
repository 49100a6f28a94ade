"""Count in window: so many readings beyond a limit within a sliding window."""

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

import msgspec

from udfs.rules.condition import (
    NOTHING,
    Condition,
    Detector,
    Evidence,
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

Times = Annotated[int, msgspec.Meta(ge=1, le=1000)]


class CountInWindow(Condition, frozen=True, kw_only=True, tag="count_in_window"):
    """Raises at the N-th reading beyond the limit within (t - `within_s`, t], clears when there are fewer."""

    judged_only: ClassVar[frozenset[str]] = frozenset({"within_s"})
    example: ClassVar[Example] = {
        "kind": "count_in_window",
        "metric": "vibration_mm_s",
        "above": 8,
        "times": 5,
        "within_s": 600,
    }

    metric: Metric
    above: float | None = None
    below: float | None = None
    times: Times
    within_s: Seconds

    def __post_init__(self) -> None:
        one_of("above, below", self.above, self.below)

    def detector(self, levels: Sequence[Level]) -> Detector:
        """Return a counting detector."""
        return _Detector(self.metric, Limit(self.above, self.below), self.times, ms(self.within_s))


class _Memory(Memory, tag="count_in_window", gc=False):
    """`matched_ms` are the newest N readings beyond the limit, oldest first."""

    matched_ms: tuple[int, ...] = ()


class _Detector(Detector):
    def __init__(self, metric: str, limit: Limit, times: int, within_ms: int) -> None:
        self.metrics = (metric,)
        self._metric, self._limit, self._times, self._within_ms = metric, limit, times, within_ms

    def initial(self) -> _Memory:
        return _Memory()

    def step(self, memory: _Memory, reading: RuleReading) -> Signals:
        value = reading.metrics.get(self._metric)
        if value is None:
            return NOTHING
        at_ms = reading.event_time_ms
        ended = self.expire(memory, at_ms) if memory.since_ms is not None else NOTHING
        if not self._limit.beyond(value):
            return ended
        matched = memory.matched_ms = (*memory.matched_ms, at_ms)[-self._times :]
        enough = len(matched) == self._times and matched[0] > at_ms - self._within_ms
        if not enough or memory.since_ms is not None:
            return ended
        memory.since_ms = at_ms
        return (*ended, self._signal("begins", at_ms, at_ms, value))

    def expire(self, memory: _Memory, before_ms: int) -> Signals:
        end_ms = self.deadline_ms(memory)
        if end_ms is None or end_ms >= before_ms:
            return NOTHING
        since_ms, memory.since_ms = memory.since_ms or 0, None
        return (self._signal("ends", since_ms, end_ms, None),)

    def deadline_ms(self, memory: _Memory) -> int | None:
        if memory.since_ms is None:
            return None
        # A rule edited while its alert was open starts to count anew.
        oldest_ms = memory.matched_ms[0] if len(memory.matched_ms) == self._times else memory.since_ms
        return oldest_ms + self._within_ms

    def _signal(
        self, what: Literal["begins", "ends"], onset_ms: int, at_ms: int, value: float | None
    ) -> Signal:
        evidence: Evidence = {
            "metric": self._metric,
            "limit": self._limit.limit,
            "times": float(self._times),
            "within_s": self._within_ms / 1000,
        }
        return Signal(what, onset_ms, at_ms, evidence if value is None else evidence | {"value": value})
