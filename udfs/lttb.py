"""Largest Triangle Three Buckets: few points of a series that look like all of them, extremes among them.

Sveinn Steinarsson, "Downsampling Time Series for Visual Representation", University of Iceland, 2013,
section 4.2; chosen from extremes: Jonas Van Der Donckt et al., "MinMaxLTTB: Leveraging MinMax-Preselection to
Scale LTTB", IEEE VIS 2023.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

LEAST_POINTS = 3
# Points that LTTB chooses one from; with four of them what it draws differs by less than a pixel.
_PRESELECTED: Final = 4
_GREATEST_EXPONENT: Final = 900


class Kept(NamedTuple):
    """Points to draw, in order of time; a pane may give two, its least and its greatest value."""

    times_ms: NDArray[np.int64]
    values: NDArray[np.float64]


def minmax_lttb(
    begins_ms: NDArray[np.int64],
    minimum: NDArray[np.float64],
    maximum: NDArray[np.float64],
    rises: NDArray[np.bool_],
    most: int,
) -> Kept:
    """Return at most `most` points of panes in order of time: LTTB chooses from their extremes.

    Of panes that share one of two `most` stretches of equal count only the least and the greatest value
    are chosen from. `rises`: the least value of a pane comes first. Raises ValueError as `lttb`.
    """
    bins = max(1, most * _PRESELECTED // 2)
    edges = np.unique(np.arange(bins + 1) * len(begins_ms) // bins)
    stretches = list(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True))
    low = np.array([begin + int(np.argmin(minimum[begin:end])) for begin, end in stretches], np.int64)
    high = np.array([begin + int(np.argmax(maximum[begin:end])) for begin, end in stretches], np.int64)
    # Twice the place, plus one for what comes second in a pane: a value that is both is one point.
    is_flat = minimum == maximum
    low_order = 2 * low + ~rises[low] * ~is_flat[low]
    high_order = 2 * high + rises[high] * ~is_flat[high]
    # LTTB keeps the ends whatever they are, so they are among what it chooses from.
    ends = np.array([0, len(begins_ms) - 1])[: len(begins_ms)]
    end_order = 2 * ends + np.array([0, 1])[: len(ends)] * ~is_flat[ends]
    end_is_low = rises[ends] == np.array([True, False])[: len(ends)]
    end_values = np.where(end_is_low, minimum[ends], maximum[ends])
    order, chosen = np.unique(np.concatenate((low_order, high_order, end_order)), return_index=True)
    values = np.concatenate((minimum[low], maximum[high], end_values))[chosen]
    times_ms = begins_ms[order // 2]
    kept = lttb(times_ms, values, most)
    return Kept(times_ms[kept], values[kept])


def lttb(times: NDArray[np.int64], values: NDArray[np.float64], most: int) -> NDArray[np.int64]:
    """Return the places of at most `most` points to keep, in order; times ascend, the ends are always kept.

    The points between the ends lie in `most` - 2 buckets of equal count. Of each that point is kept that
    makes the largest triangle with the point kept before and the mean of the next bucket; of equal ones the
    earliest. Raises ValueError for fewer than LEAST_POINTS.
    """
    if most < LEAST_POINTS:
        raise ValueError(f"LTTB keeps at least {LEAST_POINTS} points")
    if len(times) <= most:
        return np.arange(len(times))
    # Differences from the first: areas of epoch milliseconds would lose their last digits.
    x, y = (times - times[0]).astype(float), values.astype(float)
    # Areas of values near the greatest float would overflow; halves and quarters are exact.
    scale = np.frexp(np.abs(y).max())[1]
    if scale > _GREATEST_EXPONENT:
        y = np.ldexp(y, -scale)
    edges = _edges(len(times), most)
    kept = np.empty(most, np.int64)
    kept[0], kept[-1] = 0, len(times) - 1
    for bucket in range(most - 2):
        begin, end = edges[bucket], edges[bucket + 1]
        beyond = slice(end, edges[bucket + 2]) if bucket < most - 3 else slice(len(x) - 1, len(x))
        kept[bucket + 1] = begin + _largest(x, y, int(kept[bucket]), slice(begin, end), beyond)
    return kept


def _edges(count: int, most: int) -> NDArray[np.int64]:
    """Return where the buckets between the first and the last point begin, and where the last one ends."""
    places = np.arange(most - 1) * (count - 2) / (most - 2)
    edges: NDArray[np.int64] = np.floor(places).astype(np.int64) + 1
    return edges


def _largest(
    x: NDArray[np.float64], y: NDArray[np.float64], before: int, bucket: slice, beyond: slice
) -> int:
    x_next, y_next = x[beyond].mean(), y[beyond].mean()
    twice = (x[before] - x_next) * (y[bucket] - y[before]) - (x[before] - x[bucket]) * (y_next - y[before])
    return int(np.argmax(np.abs(twice)))
