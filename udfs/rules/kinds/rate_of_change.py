"""Rate of change: a metric moves faster than it should."""

from collections.abc import Sequence
from math import isfinite
from typing import Annotated, ClassVar

import msgspec

from udfs.rules.condition import (
    NOTHING,
    Condition,
    Detector,
    Example,
    Level,
    Memory,
    Metric,
    Seconds,
    Signal,
    Signals,
    ms,
)
from udfs.rules.reading import RuleReading
from udfs.rules.window import Points, thinned

Positive = Annotated[float, msgspec.Meta(gt=0)]


class RateOfChange(Condition, frozen=True, kw_only=True, tag="rate_of_change"):
    """Raises when the absolute change per `per_s` exceeds `above`, clears when it does not.

    The change is taken against the newest reading that is at least `over_s` (default `per_s`) older. Of a
    counter that began anew only readings since then count.
    """

    judged_only: ClassVar[frozenset[str]] = frozenset({"per_s", "above"})
    example: ClassVar[Example] = {
        "kind": "rate_of_change",
        "metric": "temperature_c",
        "per_s": 60,
        "above": 5,
    }

    metric: Metric
    per_s: Seconds
    above: Positive
    over_s: Seconds | None = None

    def detector(self, levels: Sequence[Level]) -> Detector:
        """Return a detector of change."""
        over_ms = ms(self.per_s if self.over_s is None else self.over_s)
        return _Detector(self.metric, ms(self.per_s), self.above, over_ms)


class _Memory(Memory, tag="rate_of_change", gc=False):
    """`points` are (time, value) of the last `over_s`, and one older: the newest that is old enough."""

    points: Points = ()


class _Detector(Detector):
    def __init__(self, metric: str, per_ms: int, above: float, over_ms: int) -> None:
        self.metrics = (metric,)
        self._metric, self._per_ms, self._above, self._over_ms = metric, per_ms, above, over_ms

    def initial(self) -> _Memory:
        return _Memory()

    def step(self, memory: _Memory, reading: RuleReading) -> Signals:
        value = reading.metrics.get(self._metric)
        if value is None or not isfinite(value):
            return NOTHING
        at_ms = reading.event_time_ms
        if self.is_counter and memory.points and value < memory.points[-1][1]:
            memory.points = ()
        points = memory.points = _from_reference(memory.points, at_ms - self._over_ms)
        memory.points = thinned(points, (at_ms, value), self._over_ms)
        if not points or points[0][0] > at_ms - self._over_ms:
            return NOTHING
        rate = abs(value - points[0][1]) / (at_ms - points[0][0]) * self._per_ms
        if (rate > self._above) == (memory.since_ms is not None):
            return NOTHING
        return (self._turn(memory, at_ms, value, points[0][1], rate),)

    def _turn(self, memory: _Memory, at_ms: int, value: float, before: float, rate: float) -> Signal:
        evidence: dict[str, float | str] = {
            "metric": self._metric,
            "value": value,
            "before": before,
            "rate": rate,
            "per_s": self._per_ms / 1000,
            "limit": self._above,
        }
        if memory.since_ms is None:
            memory.since_ms = at_ms
            return Signal("begins", at_ms, at_ms, evidence)
        since_ms, memory.since_ms = memory.since_ms, None
        return Signal("ends", since_ms, at_ms, evidence)


def _from_reference(points: Points, until_ms: int) -> Points:
    place = 0
    while place + 1 < len(points) and points[place + 1][0] <= until_ms:
        place += 1
    return points[place:]
