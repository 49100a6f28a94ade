"""Reads minutes of single devices from a table of rollups at one snapshot; the newest revision counts."""

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyiceberg.table import Table
from pyiceberg.table.snapshots import Snapshot

from catalog.snapshot_files import Where
from catalog.stored_rows import codes, read_rows

Series = tuple[str, str]
_NUMBERS: Final = ("min", "max", "sum", "count", "first", "last")
# More metrics than a device can have (`schemas/`), so that device and metric fit into one number.
_MOST_METRICS: Final = 1 << 16
_MINUTE_BITS: Final = 32


class Minutes(NamedTuple):
    """Minutes of one device and metric in order of time; `start_ms` and `count` are integers."""

    start_ms: NDArray[np.int64]
    numbers: dict[str, NDArray[Any]]


def read_minutes(
    table: Table, snapshot: Snapshot, where: Where, metrics: frozenset[str] | None
) -> dict[Series, Minutes]:
    """Return the minutes that begin inside the span, by device and metric; all metrics when none is named."""
    names = _Names(where.devices or frozenset(), metrics)
    columns = ("metric", "revision", *_NUMBERS)
    found = read_rows(table, snapshot, where, columns, metrics=metrics)
    pieces = [names.numbered(rows) for rows in found if len(rows)]
    if not pieces:
        return {}
    together = {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}
    return dict(names.split(_newest(together))) if len(together["key"]) else {}


class _Names:
    def __init__(self, devices: frozenset[str], metrics: frozenset[str] | None) -> None:
        self._devices = {name: place for place, name in enumerate(sorted(devices))}
        self._metrics = {name: place for place, name in enumerate(sorted(metrics or ()))}
        self._any_metric = metrics is None

    def numbered(self, rows: pa.Table) -> dict[str, NDArray[Any]]:
        if self._any_metric:
            self._learn(rows["metric"])
        metric = codes(rows["metric"], self._metrics)
        series = codes(rows["device_id"], self._devices) * _MOST_METRICS + metric
        minute = rows["time_ms"].to_numpy() // 60_000
        found = {"key": (series << _MINUTE_BITS) + minute, "revision": rows["revision"].to_numpy()}
        return found | {name: rows[name].to_numpy() for name in _NUMBERS}

    def _learn(self, column: pa.ChunkedArray) -> None:
        for chunk in column.chunks:
            for name in chunk.dictionary.to_pylist():
                self._metrics.setdefault(name, len(self._metrics))

    def split(self, rows: dict[str, NDArray[Any]]) -> Iterable[tuple[Series, Minutes]]:
        devices, metrics = list(self._devices), list(self._metrics)
        series = rows["key"] >> _MINUTE_BITS
        begins = np.flatnonzero(np.diff(series, prepend=-1))
        for begin, end in zip(begins, [*begins[1:], len(series)], strict=True):
            device, metric = divmod(int(series[begin]), _MOST_METRICS)
            minute = rows["key"][begin:end] & ((1 << _MINUTE_BITS) - 1)
            numbers = {name: rows[name][begin:end] for name in _NUMBERS}
            yield (devices[device], metrics[metric]), Minutes(minute * 60_000, numbers)


def _newest(rows: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Return the rows in order of device, metric and time, of each minute the highest revision."""
    key = rows["key"]
    if (key[1:] > key[:-1]).all():
        return rows
    # Pieces are in order each, which a stable sort makes use of.
    order = np.argsort(key, kind="stable")
    ordered = key[order]
    if (ordered[1:] == ordered[:-1]).any():
        order = np.lexsort((rows["revision"], key))
    last = order[np.append(ordered[1:] != ordered[:-1], True)]
    return {name: column[last] for name, column in rows.items()}
