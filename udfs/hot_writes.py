"""Turns a batch of panes into as few Redis range writes as there are runs of neighbouring slots."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from udfs.hot_series import HOUR_MS, KEEP_MS, PANE_MS, SLOT_BYTES, series_key

_SLOTS = np.dtype(
    [("readings", "<u4"), ("minimum", "<f8"), ("maximum", "<f8"), ("total", "<f8"), ("first", "<f8"), ("last", "<f8")]
)


class RangeWrite(NamedTuple):
    """Bytes to lay at a place of an hour string, and when the string may go (ms)."""

    key: str
    offset: int
    slots: bytes
    expires_at_ms: int


def range_writes(panes: pd.DataFrame, now_ms: int) -> Iterator[RangeWrite]:
    """Yield the writes of a batch; panes whose hour Redis no longer keeps at `now_ms` are left out.

    Columns: tenant, device_id, metric, start_ms and the fields of a slot. The same pane twice in a
    batch: the later row wins.
    """
    kept = panes[panes["start_ms"] - panes["start_ms"] % HOUR_MS + KEEP_MS > now_ms]
    names = ["tenant", "device_id", "metric"]
    kept = kept.drop_duplicates([*names, "start_ms"], keep="last").sort_values([*names, "start_ms"], kind="stable")
    if kept.empty:
        return
    slots = _slots(kept)
    starts = kept["start_ms"].to_numpy()
    bounds = _run_bounds(kept, starts)
    tenants, devices, metrics = (kept[name].to_numpy() for name in names)
    for begin, end in zip(bounds[:-1], bounds[1:], strict=True):
        start_ms = int(starts[begin])
        yield RangeWrite(
            series_key(tenants[begin], devices[begin], metrics[begin], start_ms),
            start_ms % HOUR_MS // PANE_MS * SLOT_BYTES,
            slots[begin:end].tobytes(),
            start_ms - start_ms % HOUR_MS + KEEP_MS,
        )


def _slots(panes: pd.DataFrame) -> "np.ndarray[tuple[int], np.dtype[np.void]]":
    slots = np.zeros(len(panes), dtype=_SLOTS)
    for field in _SLOTS.names or ():
        slots[field] = panes[field].to_numpy()
    return slots


def _run_bounds(panes: pd.DataFrame, starts: "np.ndarray[tuple[int], np.dtype[np.int64]]") -> list[int]:
    same = np.ones(len(panes) - 1, dtype=np.bool_)
    for name in ("tenant", "device_id", "metric"):
        column = panes[name].to_numpy()
        same &= column[1:] == column[:-1]
    same &= (np.diff(starts) == PANE_MS) & (starts[1:] % HOUR_MS != 0)
    return [0, *(np.flatnonzero(~same) + 1).tolist(), len(panes)]
