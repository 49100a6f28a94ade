"""Panes as columns: decode hour strings and build coarser panes from finer ones, without I/O.

Columns rather than `hot_series.unpack_hour`, because a day of one metric is 8,640 panes (measured:
`tests/unit/test_api_panes.py` holds both to the same answers).
"""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from api.queries.timerange import Span
from udfs.hot_series import PANE_MS, SLOT_BYTES

Panes: TypeAlias = NDArray[Any]
_VALUES = [(name, "<f8") for name in ("min", "max", "sum", "first", "last")]
_SLOT = np.dtype([("count", "<u4"), *_VALUES])
PANE = np.dtype([("start_ms", "<i8"), ("count", "<i8"), *_VALUES])


def decode_hours(hours: Sequence[tuple[int, bytes]]) -> Panes:
    """Return the written panes of hour strings that follow each other, in time order."""
    whole = [stored[: len(stored) // SLOT_BYTES * SLOT_BYTES] for _, stored in hours]
    slots = np.frombuffer(b"".join(whole), _SLOT)
    written = np.flatnonzero(slots["count"])
    counts = np.array([len(stored) // SLOT_BYTES for stored in whole], np.int64)
    begins_ms = np.array([hour_ms for hour_ms, _ in hours], np.int64) - (np.cumsum(counts) - counts) * PANE_MS
    panes = np.empty(len(written), PANE)
    panes["start_ms"] = np.repeat(begins_ms, counts)[written] + written * PANE_MS
    for name in _SLOT.names or ():
        panes[name] = slots[name][written]
    return panes


def panes_of(times_ms: NDArray[np.int64], values: NDArray[np.float64]) -> Panes:
    """Return a pane for each single value, in time order; equal times are broken as the stream breaks them.

    The stream compares values as text. Such panes are only good for building wider ones.
    """
    order = np.argsort(times_ms, kind="stable")
    if (np.diff(times_ms[order]) == 0).any():
        order = np.lexsort((values.astype(str), times_ms))
    panes = np.empty(len(order), PANE)
    panes["start_ms"], panes["count"] = times_ms[order], 1
    for name, _ in _VALUES:
        panes[name] = values[order]
    return panes


def pane_of(start_ms: int, value: float) -> Panes:
    """Return the pane of one reading."""
    pane = np.empty(1, PANE)
    pane["start_ms"], pane["count"] = start_ms, 1
    for name, _ in _VALUES:
        pane[name] = value
    return pane


def join(parts: Sequence[Panes]) -> Panes:
    """Put parts that follow each other in time together."""
    # As plain numbers: numpy copies structures field by field, ten times slower.
    return np.concatenate([part.view(np.int64) for part in parts]).view(PANE)


def inside(panes: Panes, span: Span) -> Panes:
    """Return the panes that start inside the span."""
    begin, end = np.searchsorted(panes["start_ms"], (span.from_ms, span.to_ms))
    return panes[begin:end]


def combine(panes: Panes, step_ms: int) -> Panes:
    """Build panes of `step_ms` from finer ones in time order; the step is a multiple of their width."""
    return combine_from(panes, panes["start_ms"] // step_ms * step_ms)


def combine_from(panes: Panes, begins_ms: NDArray[np.int64]) -> Panes:
    """Build wider panes of those in time order that have the same begin; sums may overflow to infinity."""
    if not len(panes):
        return panes
    begin = first_of_each(begins_ms)
    end = np.append(begin[1:], len(panes)) - 1
    wide = np.empty(len(begin), PANE)
    wide["start_ms"] = begins_ms[begin]
    wide["count"] = np.add.reduceat(panes["count"], begin)
    with np.errstate(over="ignore", invalid="ignore"):
        wide["sum"] = np.add.reduceat(panes["sum"], begin)
    wide["min"] = np.minimum.reduceat(panes["min"], begin)
    wide["max"] = np.maximum.reduceat(panes["max"], begin)
    wide["first"], wide["last"] = panes["first"][begin], panes["last"][end]
    return wide


def first_of_each(begins_ms: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the places at which another begin follows."""
    return np.flatnonzero(np.concatenate(([True], begins_ms[1:] != begins_ms[:-1])))
