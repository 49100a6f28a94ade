"""Reads what rules need of `iot.readings`, slice by slice of event time, as columns of single devices."""

from collections.abc import Iterable, Iterator
from functools import reduce
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.table import Table
from pyiceberg.table.snapshots import Snapshot

from catalog.marks import is_counted
from catalog.snapshot_files import StoredFile, Where, planned
from catalog.stored_rows import read_rows
from catalog.table_types import concat_rows
from catalog.time_slices import FileSpan, Slice, cut

MOST_ROWS: Final = 1_000_000
_PLACE: Final = ("lat", "lon")


class Asked(NamedTuple):
    """Rows of a tenant in [from_ms, to_ms) of event time that say something: one of `metrics`, or a place.

    With `every_row` all do. Of devices those in `only` (None = any) and not in `left_out`.
    """

    tenant: str
    from_ms: int
    to_ms: int
    metrics: tuple[str, ...]
    located: bool = False
    every_row: bool = False
    only: frozenset[str] | None = None
    left_out: frozenset[str] = frozenset()


class DeviceColumns(NamedTuple):
    """Rows of one device and slice in order of event time; None is a metric or a place that was not sent."""

    device_id: str
    times_ms: list[int]
    metrics: dict[str, list[float | None]]
    places: tuple[list[float | None], list[float | None]] | None


class ReadingHistory:
    """The history of some devices at one snapshot of the table; rows that do not count are left out.

    `rows_read` and `newest_ms` grow as slices are read; a slice holds about `most_rows` rows, or those of one
    file.
    """

    def __init__(self, table: Table, asked: Asked, most_rows: int = MOST_ROWS) -> None:
        snapshot = table.current_snapshot()
        self._table, self._asked, self._most_rows = table, asked, most_rows
        self._snapshot = snapshot
        self.snapshot_id = None if snapshot is None else snapshot.snapshot_id
        self.taken_ms = 0 if snapshot is None else snapshot.timestamp_ms
        self.rows_read, self.newest_ms = 0, 0

    def devices(self) -> Iterator[DeviceColumns]:
        """Yield columns of devices, slices in order of time."""
        if self._snapshot is None:
            return
        span = Slice(self._asked.from_ms, self._asked.to_ms)
        files = planned(self._table, self._snapshot, _where(self._asked, span))
        for piece in cut([file.span for file in files], span, self._most_rows):
            touched = [file for file in files if _touches(file.span, piece)]
            yield from _split(self._rows(self._snapshot, piece, touched), self._asked)

    def _rows(self, snapshot: Snapshot, piece: Slice, files: list[StoredFile]) -> pa.Table:
        columns = ("mark", *self._wide_columns())
        found = read_rows(self._table, snapshot, _where(self._asked, piece), columns, files)
        return concat_rows(map(self._narrow, found), _narrow_schema(self._asked))

    def _wide_columns(self) -> list[str]:
        wanted = {"metrics": bool(self._asked.metrics), "location": self._asked.located}
        return [name for name, is_wanted in wanted.items() if is_wanted]

    def _narrow(self, stored: pa.Table) -> pa.Table:
        rows = _of_population(stored, self._asked)
        self.rows_read += len(rows)
        columns = {"device_id": pc.cast(rows["device_id"], pa.string()), "time_ms": rows["time_ms"]}
        if len(rows):
            self.newest_ms = max(self.newest_ms, pc.max(rows["time_ms"]).as_py())
        says = {name: _metric(rows["metrics"], name) for name in self._asked.metrics}
        if self._asked.located:
            says |= {name: pc.struct_field(rows["location"], name) for name in _PLACE}
        narrow = pa.table(columns | says)
        return narrow if self._asked.every_row else narrow.filter(_any_valid(says.values()))


def _where(asked: Asked, span: Slice) -> Where:
    return Where(asked.tenant, *span, asked.only)


def _touches(file: FileSpan, piece: Slice) -> bool:
    return file.from_ms < piece.to_ms and file.until_ms >= piece.from_ms


def _narrow_schema(asked: Asked) -> pa.Schema:
    numbers = (*asked.metrics, *(_PLACE if asked.located else ()))
    kinds = {"device_id": pa.string(), "time_ms": pa.int64()} | dict.fromkeys(numbers, pa.float64())
    return pa.schema(kinds)


def _of_population(rows: pa.Table, asked: Asked) -> pa.Table:
    counted = is_counted(rows["mark"])
    if asked.left_out:
        names = pa.array(sorted(asked.left_out), pa.string())
        counted = pc.and_(counted, pc.invert(pc.is_in(rows["device_id"].cast(pa.string()), names)))
    return rows.filter(counted)


def _metric(metrics: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    return pc.map_lookup(metrics, pa.scalar(name, metrics.type.key_type), "first")


def _any_valid(columns: Iterable[pa.ChunkedArray]) -> pa.ChunkedArray:
    return reduce(pc.or_, map(pc.is_valid, columns))


def _split(rows: pa.Table, asked: Asked) -> Iterator[DeviceColumns]:
    names = rows["device_id"].combine_chunks().dictionary_encode()
    devices = names.indices.to_numpy()
    order = np.lexsort((rows["time_ms"].to_numpy(), devices))
    ordered = rows.take(pa.array(order))
    bounds = [0, *(np.flatnonzero(np.diff(devices[order])) + 1), len(rows)]
    for begin, end in pairwise(bounds):
        if begin < end:
            yield _device(ordered.slice(begin, end - begin), asked)


def _device(rows: pa.Table, asked: Asked) -> DeviceColumns:
    metrics = {name: rows[name].to_pylist() for name in asked.metrics}
    places = (rows["lat"].to_pylist(), rows["lon"].to_pylist()) if asked.located else None
    return DeviceColumns(rows["device_id"][0].as_py(), rows["time_ms"].to_pylist(), metrics, places)
