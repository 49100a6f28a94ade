"""Deviation: a metric far from what this device used to send, by a robust z-score.

The baseline is a sample of the last `baseline_days`: of each hour (UTC) the readings whose event time has the
smallest hashes, five at most, so it is the same however readings arrived and takes 10 bytes a sample: 17
kB for 14 days. With `season: hour_of_day` a reading is compared with the same hour of earlier days only. The
present hour is never part of it. Where half of the samples are equal (MAD 0), the mean absolute deviation
takes its place; where all are, nothing is judged.
"""

from collections.abc import Mapping, Sequence
from math import isfinite
from statistics import fmean, median
from typing import Annotated, ClassVar, Final, Literal

import msgspec

from udfs.rules.condition import NOTHING, Condition, Detector, Example, Level, Memory, Metric, Signal, Signals
from udfs.rules.reading import RuleReading

HOUR_MS: Final = 3_600_000
SAMPLES_AN_HOUR: Final = 5
_OF_MAD: Final = 0.6745
_OF_MEAN_DEVIATION: Final = 1.2533

Season = Literal["hour_of_day", "none"]
Direction = Literal["both", "above", "below"]
Z = Annotated[float, msgspec.Meta(gt=0, le=1000)]
Days = Annotated[int, msgspec.Meta(ge=1, le=60)]
Samples = Annotated[int, msgspec.Meta(ge=3, le=5000)]


class Deviation(Condition, frozen=True, kw_only=True, tag="deviation"):
    """Raises when |0.6745 (x - median) / MAD| of the baseline exceeds `z`; silent below `min_samples`."""

    judged_only: ClassVar[frozenset[str]] = frozenset({"z", "season", "min_samples", "direction"})
    example: ClassVar[Example] = {"kind": "deviation", "metric": "pressure_hpa", "z": 4, "baseline_days": 14}

    metric: Metric
    z: Z
    baseline_days: Days = 14
    season: Season = "hour_of_day"
    min_samples: Samples = 20
    direction: Direction = "both"

    def detector(self, levels: Sequence[Level]) -> Detector:
        """Return a detector of deviation."""
        return _Detector(self)


class Baseline(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What a reading is compared with: one robust standard deviation is `scale`; 0 = cannot be judged."""

    middle: float = 0.0
    scale: float = 0.0
    samples: int = 0


def baseline(samples: Sequence[float]) -> Baseline:
    """Return the middle and the robust standard deviation of samples."""
    if not samples:
        return Baseline()
    middle = median(samples)
    distances = [abs(sample - middle) for sample in samples]
    scale = median(distances) / _OF_MAD or fmean(distances) * _OF_MEAN_DEVIATION
    return Baseline(middle, scale, len(samples))


class _Memory(Memory, tag="deviation"):
    """`hours`: samples by hour of day and hour since 1970; `sample`: of the present `hour`, (rank, value).

    By hour of day, so that an hour that ends touches only what it is compared with: to copy all of them would
    be most of the work where one reading comes an hour.
    """

    hours: Mapping[int, tuple[tuple[int, tuple[float, ...]], ...]] = {}
    hour: int | None = None
    sample: tuple[tuple[int, float], ...] = ()
    baseline: Baseline = Baseline()


class _Detector(Detector):
    def __init__(self, rule: Deviation) -> None:
        self.metrics = (rule.metric,)
        self._rule, self._hours = rule, rule.baseline_days * 24

    def initial(self) -> _Memory:
        return _Memory()

    def step(self, memory: _Memory, reading: RuleReading) -> Signals:
        value = reading.metrics.get(self._rule.metric)
        if value is None or not isfinite(value):
            return NOTHING
        at_ms = reading.event_time_ms
        hour = at_ms // HOUR_MS
        if hour != memory.hour:
            self._turn_to(memory, hour)
        _take(memory, at_ms, value)
        known = memory.baseline
        if known.samples < self._rule.min_samples or not known.scale:
            return NOTHING
        z = (value - known.middle) / known.scale
        if (self._size(z) > self._rule.z) == (memory.since_ms is not None):
            return NOTHING
        return (self._told(memory, at_ms, value, z),)

    def _size(self, z: float) -> float:
        if self._rule.direction == "both":
            return abs(z)
        return z if self._rule.direction == "above" else -z

    def _turn_to(self, memory: _Memory, hour: int) -> None:
        oldest = hour - self._hours
        if memory.hour is not None:
            _lay_down(memory, memory.hour, oldest)
        memory.hour, memory.sample = hour, ()
        seasonal = (hour % 24,) if self._rule.season == "hour_of_day" else memory.hours
        memory.baseline = baseline(
            [
                value
                for of_day in seasonal
                for at_hour, values in memory.hours.get(of_day, ())
                if at_hour >= oldest
                for value in values
            ]
        )

    def _told(self, memory: _Memory, at_ms: int, value: float, z: float) -> Signal:
        evidence: dict[str, float | str] = {
            "metric": self._rule.metric,
            "value": value,
            "z": round(z, 3),
            "limit": self._rule.z,
            "median": memory.baseline.middle,
            "samples": float(memory.baseline.samples),
        }
        if memory.since_ms is None:
            memory.since_ms = at_ms
            return Signal("begins", at_ms, at_ms, evidence)
        since_ms, memory.since_ms = memory.since_ms, None
        return Signal("ends", since_ms, at_ms, evidence)


def _lay_down(memory: _Memory, hour: int, oldest: int) -> None:
    kept = (one for one in memory.hours.get(hour % 24, ()) if one[0] >= oldest)
    values = tuple(value for _, value in memory.sample)
    memory.hours = {**memory.hours, hour % 24: (*kept, (hour, values))}


def _take(memory: _Memory, at_ms: int, value: float) -> None:
    rank, sample = _rank(at_ms), memory.sample
    if len(sample) < SAMPLES_AN_HOUR or (rank, value) < sample[-1]:
        memory.sample = tuple(sorted((*sample, (rank, value)))[:SAMPLES_AN_HOUR])


def _rank(at_ms: int) -> int:
    # The finaliser of SplitMix64: neighbouring times get unrelated ranks.
    mixed = at_ms & 0xFFFF_FFFF_FFFF_FFFF
    mixed = (mixed ^ (mixed >> 30)) * 0xBF58_476D_1CE4_E5B9 & 0xFFFF_FFFF_FFFF_FFFF
    mixed = (mixed ^ (mixed >> 27)) * 0x94D0_49BB_1331_11EB & 0xFFFF_FFFF_FFFF_FFFF
    return (mixed ^ (mixed >> 31)) >> 32
