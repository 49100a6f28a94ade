"""Forecast: a metric will be beyond a limit in some time, and the interval of the forecast says so too."""

from collections.abc import Sequence
from math import isfinite
from statistics import NormalDist
from typing import Annotated, ClassVar, Literal, NamedTuple

import msgspec

from udfs.rules import trends
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
from udfs.rules.window import Points, thinned

Confidence = Annotated[float, msgspec.Meta(gt=0.5, lt=1)]


class Forecast(Condition, frozen=True, kw_only=True, tag="forecast"):
    """Raises when the value in `within_s` is expected beyond the limit with `confidence` (one-sided).

    Clears when not even the expected value is beyond it. `linear` fits a line to the last `over_s` (default
    `within_s`); `holt` smooths level and trend from reading to reading and suits horizons of few readings.
    """

    judged_only: ClassVar[frozenset[str]] = frozenset(
        {"will_cross_above", "will_cross_below", "within_s", "confidence", "over_s"}
    )
    example: ClassVar[Example] = {
        "kind": "forecast",
        "metric": "tank_level_m",
        "will_cross_above": 4.5,
        "within_s": 3600,
    }

    metric: Metric
    will_cross_above: float | None = None
    will_cross_below: float | None = None
    within_s: Seconds
    method: Literal["holt", "linear"] = "linear"
    confidence: Confidence = 0.95
    over_s: Seconds | None = None

    def __post_init__(self) -> None:
        one_of("will_cross_above, will_cross_below", self.will_cross_above, self.will_cross_below)
        if self.method == "holt" and self.over_s is not None:
            raise ValueError("over_s belongs to the linear method")

    def detector(self, levels: Sequence[Level]) -> Detector:
        """Return a forecasting detector."""
        return _Detector(self)


class _Memory(Memory, tag="forecast"):
    points: Points = ()
    holt: trends.Holt | None = None


class _Expected(NamedTuple):
    value: float
    deviation: float


class _Detector(Detector):
    def __init__(self, rule: Forecast) -> None:
        self.metrics = (rule.metric,)
        self._metric, self._within_ms = rule.metric, ms(rule.within_s)
        self._over_ms = ms(rule.within_s if rule.over_s is None else rule.over_s)
        self._limit = Limit(rule.will_cross_above, rule.will_cross_below)
        # The bound of the interval that lies nearer to safety.
        self._cautious = (-1 if rule.will_cross_above is not None else 1) * NormalDist().inv_cdf(
            rule.confidence
        )
        self._expect = self._by_line if rule.method == "linear" else self._by_holt

    def initial(self) -> _Memory:
        return _Memory()

    def step(self, memory: _Memory, reading: RuleReading) -> Signals:
        value = reading.metrics.get(self._metric)
        if value is None or not isfinite(value):
            return NOTHING
        at_ms = reading.event_time_ms
        expected = self._expect(memory, at_ms, value)
        if expected is None:
            return NOTHING
        bound = expected.value + self._cautious * expected.deviation
        if memory.since_ms is None and self._limit.beyond(bound):
            memory.since_ms = at_ms
            return (Signal("begins", at_ms, at_ms, self._evidence(value, expected, bound)),)
        if memory.since_ms is not None and self._limit.within(expected.value):
            since_ms, memory.since_ms = memory.since_ms, None
            return (Signal("ends", since_ms, at_ms, self._evidence(value, expected, bound)),)
        return NOTHING

    def _by_line(self, memory: _Memory, at_ms: int, value: float) -> _Expected | None:
        first_ms = at_ms - self._over_ms
        kept = tuple(point for point in memory.points if point[0] >= first_ms)
        memory.points = thinned(kept, (at_ms, value), self._over_ms)
        line = trends.line(memory.points, at_ms + self._within_ms)
        return None if line is None else _Expected(*line)

    def _by_holt(self, memory: _Memory, at_ms: int, value: float) -> _Expected | None:
        memory.holt = trends.smoothed(memory.holt, at_ms, value)
        ahead = trends.ahead(memory.holt, self._within_ms)
        return None if ahead is None else _Expected(*ahead)

    def _evidence(self, value: float, expected: _Expected, bound: float) -> Evidence:
        return {
            "metric": self._metric,
            "value": value,
            "limit": self._limit.limit,
            "expected": expected.value,
            "bound": bound,
            "within_s": self._within_ms / 1000,
        }
