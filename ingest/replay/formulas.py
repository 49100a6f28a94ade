"""Named formulas a mapping may use to derive a metric from several columns."""

import math
from collections.abc import Callable
from typing import NamedTuple


class Formula(NamedTuple):
    """A formula and how many columns it takes."""

    arity: int
    compute: Callable[..., float]


def relative_humidity_pct(temperature_c: float, dew_point_c: float) -> float:
    """Return relative humidity in percent from air temperature and dew point (Magnus, over water)."""
    return 100.0 * math.exp(_magnus(dew_point_c) - _magnus(temperature_c))


def _magnus(celsius: float) -> float:
    return 17.625 * celsius / (243.04 + celsius)


FORMULAS: dict[str, Formula] = {"relative_humidity_pct": Formula(2, relative_humidity_pct)}


def linear(scale: float, offset: float) -> Callable[[float], float] | None:
    """Return `value * scale + offset`, or None when that changes nothing."""
    if (scale, offset) == (1.0, 0.0):
        return None
    return lambda value: value * scale + offset
