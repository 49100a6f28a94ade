"""Threshold: a metric beyond a limit for some time, until it is back behind another."""

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

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
    Signal,
    Signals,
    check_limits,
    ms,
)
from udfs.rules.reading import RuleReading

ForSeconds = Annotated[float, msgspec.Meta(ge=0, le=366 * 86_400)]


class Threshold(Condition, frozen=True, kw_only=True, tag="threshold"):
    """Raises when every reading from the onset to one at or after onset + `for_s` lies beyond the limit.

    Clears with the first reading at or behind the clearing limit, which is the raising one by default.
    """

    judged_only: ClassVar[frozenset[str]] = frozenset({"clear_below", "clear_above", "for_s"})
    example: ClassVar[Example] = {
        "kind": "threshold",
        "metric": "temperature_c",
        "raise_above": 90,
        "for_s": 60,
    }

    metric: Metric
    raise_above: float | None = None
    raise_below: float | None = None
    clear_below: float | None = None
    clear_above: float | None = None
    for_s: ForSeconds = 0

    def __post_init__(self) -> None:
        check_limits(self.raise_above, self.raise_below, self.clear_below, self.clear_above)

    def detector(self, levels: Sequence[Level]) -> Detector:
        """Return a threshold's detector."""
        limit = Limit(self.raise_above, self.raise_below, self.clear_below, self.clear_above)
        return _Detector(self.metric, limit, ms(self.for_s), [_limit(level) for level in levels])


def _limit(level: Level) -> Limit:
    return Limit(level.raise_above, level.raise_below, level.clear_below, level.clear_above)


class _Memory(Memory, tag="threshold", gc=False):
    """`run_ms` is the first reading of the present run beyond the limit; `level` the highest one reached."""

    run_ms: int | None = None
    level: int = 0


class _Detector(Detector):
    def __init__(self, metric: str, limit: Limit, for_ms: int, levels: list[Limit]) -> None:
        self.metrics = (metric,)
        self._metric, self._for_ms, self._levels = metric, for_ms, levels
        self._limit, self._beyond, self._within = limit, limit.beyond, limit.within

    def initial(self) -> _Memory:
        return _Memory()

    def step(self, memory: _Memory, reading: RuleReading) -> Signals:
        value = reading.metrics.get(self._metric)
        if value is None:
            return NOTHING
        if memory.since_ms is not None:
            return self._while_begun(memory, reading.event_time_ms, value)
        if not self._beyond(value):
            memory.run_ms = None
            return NOTHING
        at_ms = reading.event_time_ms
        if memory.run_ms is None:
            memory.run_ms = at_ms
        if at_ms < memory.run_ms + self._for_ms:
            return NOTHING
        memory.since_ms, memory.run_ms = memory.run_ms, None
        memory.level = self._level(value, 0)
        return (self._signal("begins", memory, at_ms, value),)

    def _while_begun(self, memory: _Memory, at_ms: int, value: float) -> Signals:
        if self._within(value):
            ended = Signal("ends", memory.since_ms or 0, at_ms, self._evidence(value, self._limit.clear))
            memory.since_ms, memory.level = None, 0
            return (ended,)
        level = self._level(value, memory.level) if self._levels else 0
        if level == memory.level:
            return NOTHING
        memory.level = level
        return (self._signal("level", memory, at_ms, value),)

    def _level(self, value: float, reached: int) -> int:
        for place in range(len(self._levels), 0, -1):
            level = self._levels[place - 1]
            if level.beyond(value) or (place <= reached and not level.within(value)):
                return place
        return 0

    def _signal(self, what: Literal["begins", "level"], memory: _Memory, at_ms: int, value: float) -> Signal:
        limit = (self._levels[memory.level - 1] if memory.level else self._limit).limit
        return Signal(what, memory.since_ms or 0, at_ms, self._evidence(value, limit), memory.level)

    def _evidence(self, value: float, limit: float) -> dict[str, float | str]:
        return {"metric": self._metric, "value": value, "limit": limit}
