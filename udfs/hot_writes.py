"""Turns a batch of panes into as few Redis range writes as there are runs of neighbouring slots."""

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from udfs.hot_series import HOUR_MS, KEEP_MS, PANE_MS, expires_at_ms, series_key, slot_offset

SLOT_FIELDS = ("readings", "minimum", "maximum", "total", "first", "last")
_SLOTS = np.dtype([(SLOT_FIELDS[0], "<u4"), *((name, "<f8") for name in SLOT_FIELDS[1:])])
_SERIES = ("tenant", "device_id", "metric")
Numbers = npt.NDArray[np.int64]


class RangeWrite(NamedTuple):
    """Bytes to lay at a place of an hour string, and when the string may go (ms)."""

    key: str
    offset: int
    slots: bytes
    expires_at_ms: int


def range_writes(panes: pd.DataFrame, now_ms: int) -> Iterator[RangeWrite]:
    """Yield the writes of a batch; panes whose hour Redis no longer keeps at `now_ms` are left out.

    Columns: tenant, device_id, metric, start_ms and SLOT_FIELDS. The same pane twice in a batch: the
    later row wins, because it is written later.
    """
    starts: Numbers = panes["start_ms"].to_numpy(np.int64)
    series = _series_numbers(panes)
    order = np.lexsort((starts, series))
    order = order[starts[order] - starts[order] % HOUR_MS + KEEP_MS > now_ms]
    slots = _slots(panes, order)
    starts, series = starts[order], series[order]
    tenants, devices, metrics = (panes[name].to_numpy() for name in _SERIES)
    bounds = _run_bounds(starts, series)
    for begin, end in pairwise(bounds):
        start_ms, row = int(starts[begin]), order[begin]
        yield RangeWrite(
            series_key(tenants[row], devices[row], metrics[row], start_ms),
            slot_offset(start_ms),
            slots[begin:end].tobytes(),
            expires_at_ms(start_ms),
        )


def _series_numbers(panes: pd.DataFrame) -> Numbers:
    number = np.zeros(len(panes), dtype=np.int64)
    for name in _SERIES:
        codes, found = pd.factorize(panes[name].to_numpy())
        number = number * len(found) + codes
    return number


def _slots(panes: pd.DataFrame, order: Numbers) -> npt.NDArray[np.void]:
    slots = np.zeros(len(order), dtype=_SLOTS)
    for name in SLOT_FIELDS:
        slots[name] = panes[name].to_numpy()[order]
    return slots


def _run_bounds(starts: Numbers, series: Numbers) -> list[int]:
    if not len(starts):
        return [0]
    goes_on = (np.diff(series) == 0) & (np.diff(starts) == PANE_MS) & (starts[1:] % HOUR_MS != 0)
    return [0, *(np.flatnonzero(~goes_on) + 1).tolist(), len(starts)]
