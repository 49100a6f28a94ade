"""Absence: no reading, or none with a metric, for some time."""

from collections.abc import Sequence
from typing import ClassVar

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


class Absence(Condition, frozen=True, kw_only=True, tag="absence"):
    """Raises `after_s` after the last reading (with the metric), clears with the next one.

    It is told when the watermark has passed: until then a reading out of order may still come. Of a device
    that never sent anything silence counts from its registration, or from when the rule came into force; one
    that is not registered is not absent. With a metric that counts until the device's first reading only.
    """

    judged_only: ClassVar[frozenset[str]] = frozenset({"after_s"})
    example: ClassVar[Example] = {"kind": "absence", "metric": "temperature_c", "after_s": 900}

    metric: Metric | None = None
    after_s: Seconds

    def detector(self, levels: Sequence[Level]) -> Detector:
        """Return a detector of silence."""
        return _Detector(self.metric, ms(self.after_s))


class _Memory(Memory, tag="absence", gc=False):
    last_ms: int | None = None


class _Detector(Detector):
    waits = True

    def __init__(self, metric: str | None, after_ms: int) -> None:
        self.metrics = () if metric is None else (metric,)
        self._metric, self._after_ms = metric, after_ms

    def initial(self) -> _Memory:
        return _Memory()

    def step(self, memory: _Memory, reading: RuleReading) -> Signals:
        if self._metric is not None and self._metric not in reading.metrics:
            return NOTHING
        at_ms = reading.event_time_ms
        begun = self.expire(memory, at_ms)
        if memory.since_ms is None:
            memory.last_ms = at_ms
            return begun
        silence_s = (at_ms - (memory.last_ms or memory.since_ms)) / 1000
        ended = Signal("ends", memory.since_ms, at_ms, {**self._evidence(), "silence_s": silence_s})
        memory.since_ms, memory.last_ms = None, at_ms
        return (*begun, ended)

    def expire(self, memory: _Memory, before_ms: int) -> Signals:
        onset_ms = self.deadline_ms(memory)
        if onset_ms is None or onset_ms >= before_ms:
            return NOTHING
        memory.since_ms = onset_ms
        return (Signal("begins", onset_ms, onset_ms, self._evidence()),)

    def begin(self, memory: _Memory, at_ms: int) -> bool:
        if memory.last_ms is not None or memory.since_ms is not None:
            return False
        memory.last_ms = at_ms
        return True

    def stop(self, memory: _Memory) -> bool:
        if memory.since_ms is not None:
            return False
        memory.last_ms = None
        return True

    def deadline_ms(self, memory: _Memory) -> int | None:
        if memory.last_ms is None or memory.since_ms is not None:
            return None
        return memory.last_ms + self._after_ms

    def _evidence(self) -> dict[str, float | str]:
        named: dict[str, float | str] = {} if self._metric is None else {"metric": self._metric}
        return named | {"after_s": self._after_ms / 1000}
