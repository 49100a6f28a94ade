"""How much counters grew: differences between readings that follow each other, over resets.

As in Prometheus a value below the one before is a reset, and what was counted since is the value itself.
Unlike there nothing is extrapolated: each difference counts where the later reading lies, so what a range
grew is the sum of its parts.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]


class Growth(NamedTuple):
    """Of each pane how much it added, over how many milliseconds, and whether that is certain."""

    increase: Numbers
    elapsed_ms: Numbers
    is_sure: NDArray[np.bool_]


def is_doubtful(
    counts: NDArray[np.int64], minimum: Numbers, maximum: Numbers, first: Numbers, last: Numbers
) -> NDArray[np.bool_]:
    """Return which panes may hold a reset that their aggregates cannot tell: three readings or more.

    Values that only grow begin with the least and end with the greatest.
    """
    return (counts > 2) & ((minimum < first) | (maximum > last))


def growth(
    begins_ms: NDArray[np.int64],
    width_ms: int,
    counts: NDArray[np.int64],
    minimum: Numbers,
    maximum: Numbers,
    first: Numbers,
    last: Numbers,
) -> Growth:
    """Return what panes of one counter added, in order of time; of the first what is inside it.

    `width_ms` is what a pane of several readings spans. A doubtful pane is taken for one with a single
    reset, if it ends lower than it began, or else for one without.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        inside = np.where(last >= first, last - first, (maximum - first) + last)
        across = np.where(first[1:] >= last[:-1], first[1:] - last[:-1], first[1:])
        increase = inside + np.concatenate(([0.0], across))
    elapsed_ms = np.diff(begins_ms, prepend=begins_ms[:1]).astype(float)
    elapsed_ms[:1] = width_ms * (counts[:1] - 1) / np.maximum(counts[:1], 1)
    return Growth(increase, elapsed_ms, ~is_doubtful(counts, minimum, maximum, first, last))
