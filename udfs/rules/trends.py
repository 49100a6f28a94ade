"""Where a metric is going: a line by least squares, or Holt's level and trend, each with its uncertainty."""

from math import sqrt
from typing import Final

import msgspec

from udfs.rules.window import Points

FEWEST: Final = 8
_LEVEL: Final = 0.3
_TREND: Final = 0.1
_MEMORY: Final = 0.1


class Holt(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Level, trend per ms, mean squared error of one step ahead, mean step in ms."""

    at_ms: int
    level: float
    trend: float = 0.0
    error: float = 0.0
    step_ms: float = 0.0
    readings: int = 1


def line(points: Points, at_ms: int) -> tuple[float, float] | None:
    """Extend the line through points to a time; return value and standard deviation of a reading there.

    None when there are fewer than 8 points or all are of one time.
    """
    count = len(points)
    if count < FEWEST:
        return None
    # Times from the last one: epoch milliseconds squared would swallow the digits that matter.
    last_ms = points[-1][0]
    times = [float(time_ms - last_ms) for time_ms, _ in points]
    values = [value for _, value in points]
    mean_t, mean_v = sum(times) / count, sum(values) / count
    spread = sum((time - mean_t) ** 2 for time in times)
    if not spread:
        return None
    pairs = list(zip(times, values, strict=True))
    slope = sum((time - mean_t) * (value - mean_v) for time, value in pairs) / spread
    squares = sum((value - mean_v - slope * (time - mean_t)) ** 2 for time, value in pairs)
    distance = at_ms - last_ms - mean_t
    variance = squares / (count - 2) * (1 + 1 / count + distance**2 / spread)
    return mean_v + slope * distance, sqrt(variance)


def smoothed(before: Holt | None, at_ms: int, value: float) -> Holt:
    """Take the next reading into level and trend; irregular steps count by their length."""
    if before is None:
        return Holt(at_ms, value)
    step_ms = at_ms - before.at_ms
    expected = before.level + before.trend * step_ms
    level = expected + _LEVEL * (value - expected)
    readings = before.readings + 1
    if not step_ms:
        return msgspec.structs.replace(before, level=level)
    if readings == 2:
        return Holt(at_ms, value, (value - before.level) / step_ms, 0.0, float(step_ms), readings)
    trend = before.trend + _TREND * ((level - before.level) / step_ms - before.trend)
    weight = max(_MEMORY, 1 / (readings - 2))
    error = before.error + weight * ((value - expected) ** 2 - before.error)
    mean_ms = before.step_ms + weight * (step_ms - before.step_ms)
    return Holt(at_ms, level, trend, error, mean_ms, readings)


def ahead(state: Holt, within_ms: int) -> tuple[float, float] | None:
    """Return the value expected after `within_ms`, and its standard deviation; None below 8 readings.

    The variance is that of Holt's linear method with additive errors (Hyndman et al. 2008, table 6.2).
    """
    if state.readings < FEWEST:
        return None
    steps = max(1.0, within_ms / state.step_ms)
    beta = _LEVEL * _TREND
    growth = _LEVEL**2 + _LEVEL * beta * steps + beta**2 * steps * (2 * steps - 1) / 6
    return state.level + state.trend * within_ms, sqrt(state.error * (1 + (steps - 1) * growth))
