"""What was unusual when an alert began: the minutes from its onset against the time before, metric by metric.

Compared are medians, in robust standard deviations of the time before (0.6745 (x - median) / MAD), so a few
odd readings on either side change little. Event times are UTC milliseconds.
"""

from collections.abc import Iterable, Mapping, Sequence
from math import inf, isfinite
from statistics import median
from typing import Final, NamedTuple

from udfs.rules.kinds.deviation import baseline

AROUND_MS: Final = 300_000
HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
# Below this a median absolute deviation says nothing.
FEWEST: Final = 5
# Below this an hour says little, and the day is looked at.
FEW: Final = 20
# Iglewicz and Hoaglin 1993: beyond it a value is called an outlier.
REMARKABLE: Final = 3.5

Sample = tuple[int, Mapping[str, float]]


class Spans(NamedTuple):
    """Before is [from_ms, onset_ms), around is [onset_ms, until_ms)."""

    from_ms: int
    onset_ms: int
    until_ms: int


class Departure(NamedTuple):
    """How far a metric went from what is usual on its device; `z` is infinite where it never varied."""

    metric: str
    value: float
    usual: float
    z: float
    samples: int

    @property
    def remarkable(self) -> bool:
        """Tell whether chance hardly explains it."""
        return abs(self.z) >= REMARKABLE


def spans(onset_ms: int, cleared_ms: int | None, back_ms: int) -> Spans:
    """Return what is compared: `back_ms` before the onset, and five minutes or less if it was over sooner."""
    until_ms = onset_ms + AROUND_MS
    if cleared_ms is not None:
        # The reading of the onset belongs to it however short it was.
        until_ms = min(until_ms, max(cleared_ms, onset_ms + 1))
    return Spans(onset_ms - back_ms, onset_ms, until_ms)


def departure(metric: str, points: Iterable[tuple[int, float]], compared: Spans) -> Departure | None:
    """Return how far one metric departed; None with too little before, or nothing around the onset."""
    before: list[float] = []
    around: list[float] = []
    for time_ms, value in points:
        if isfinite(value) and compared.from_ms <= time_ms < compared.until_ms:
            (before if time_ms < compared.onset_ms else around).append(value)
    if len(before) < FEWEST or not around:
        return None
    usual, value = baseline(before), median(around)
    moved = value - usual.middle
    z = moved / usual.scale if usual.scale else inf * moved if moved else 0.0
    return Departure(metric, value, usual.middle, z, usual.samples)


def departures(readings: Sequence[Sample], compared: Spans) -> list[Departure]:
    """Return every metric that can be judged, the farthest departed first, equal ones by name."""
    points: dict[str, list[tuple[int, float]]] = {}
    for time_ms, metrics in readings:
        for metric, value in metrics.items():
            points.setdefault(metric, []).append((time_ms, value))
    found = (departure(metric, own, compared) for metric, own in points.items())
    return sorted((one for one in found if one), key=lambda one: (-abs(one.z), one.metric))


def nearest(times_ms: Sequence[int], at_ms: int, most: int) -> list[int]:
    """Return the places of the `most` times nearest to a time, in order of time; ties go to the earlier."""
    places = sorted(range(len(times_ms)), key=lambda place: (abs(times_ms[place] - at_ms), times_ms[place]))
    return sorted(places[:most], key=lambda place: (times_ms[place], place))
