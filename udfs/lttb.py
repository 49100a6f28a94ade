"""Largest Triangle Three Buckets: few points of a series that look like all of them.

Sveinn Steinarsson, "Downsampling Time Series for Visual Representation", University of Iceland, 2013,
section 4.2.
"""

import numpy as np
from numpy.typing import NDArray

LEAST_POINTS = 3


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
