"""Reads what rules need of `iot.readings`, slice by slice of event time, as columns of single devices."""

from collections.abc import Collection, Iterable, Iterator
from functools import reduce
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.expressions import (
    BooleanExpression,
    EqualTo,
    GreaterThanOrEqual,
    In,
    LessThan,
    NotEqualTo,
)
from pyiceberg.io.pyarrow import ArrowScan
from pyiceberg.table import FileScanTask, Table

from catalog.filters import every, moment, predicate
from catalog.time_slices import FileSpan, Slice, cut, span_of

# More names than this prune no files (PyIceberg's limit) and only cost time for each row.
MOST_NAMES: Final = 200
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
    """The history of some devices at one snapshot of the table; duplicates are left out.

    `rows_read` and `newest_ms` grow as slices are read; a slice holds about `most_rows` rows, or those of one
    file.
    """

    def __init__(self, table: Table, asked: Asked, most_rows: int = MOST_ROWS) -> None:
        snapshot = table.current_snapshot()
        self._table, self._asked, self._most_rows = table, asked, most_rows
        self.snapshot_id = None if snapshot is None else snapshot.snapshot_id
        self.taken_ms = 0 if snapshot is None else snapshot.timestamp_ms
        self.rows_read, self.newest_ms = 0, 0

    def devices(self) -> Iterator[DeviceColumns]:
        """Yield columns of devices, slices in order of time."""
        if self.snapshot_id is None:
            return
        span = Slice(self._asked.from_ms, self._asked.to_ms)
        scan = self._table.scan(row_filter=_filter(self._asked, span), snapshot_id=self.snapshot_id)
        event_time = self._table.schema().find_field("event_time").field_id
        files = [(span_of(task.file, event_time), task) for task in scan.plan_files()]
        for piece in cut([where for where, _ in files], span, self._most_rows):
            rows = self._rows(piece, [task for where, task in files if _touches(where, piece)])
            yield from _split(rows, self._asked)

    def _rows(self, piece: Slice, tasks: list[FileScanTask]) -> pa.Table:
        columns = ("device_id", "event_time", *self._wide_columns())
        scan = self._table.scan(_filter(self._asked, piece), columns, snapshot_id=self.snapshot_id)
        reader = ArrowScan(scan.table_metadata, scan.io, scan.projection(), scan.row_filter)
        narrow = [pa.table(_empty(self._asked))]
        # File by file: given all of them it would read all before it yields the first.
        for task in tasks:
            for batch in reader.to_record_batches([task]):
                narrow.append(self._narrow(batch))
        return pa.concat_tables(narrow)

    def _wide_columns(self) -> list[str]:
        wanted = {"metrics": bool(self._asked.metrics), "location": self._asked.located}
        return [name for name, is_wanted in wanted.items() if is_wanted]

    def _narrow(self, batch: pa.RecordBatch) -> pa.Table:
        rows = _of_population(pa.table(batch), self._asked)
        self.rows_read += len(rows)
        columns = {"device_id": pc.cast(rows["device_id"], pa.string()), "time_ms": _time_ms(rows)}
        if len(rows):
            self.newest_ms = max(self.newest_ms, pc.max(columns["time_ms"]).as_py())
        says = {name: _metric(rows["metrics"], name) for name in self._asked.metrics}
        if self._asked.located:
            says |= {name: pc.struct_field(rows["location"], name) for name in _PLACE}
        narrow = pa.table(columns | says)
        return narrow if self._asked.every_row else narrow.filter(_any_valid(says.values()))


def _filter(asked: Asked, span: Slice) -> BooleanExpression:
    terms = [
        predicate(EqualTo, "tenant", asked.tenant),
        predicate(GreaterThanOrEqual, "event_time", moment(span.from_ms)),
        predicate(LessThan, "event_time", moment(span.to_ms)),
        predicate(NotEqualTo, "mark", "duplicate"),
    ]
    if asked.only is not None and len(asked.only) == 1:
        terms.append(predicate(EqualTo, "device_id", *asked.only))
    elif asked.only is not None and len(asked.only) <= MOST_NAMES:
        terms.append(predicate(In, "device_id", set(asked.only)))
    return every(terms)


def _touches(file: FileSpan, piece: Slice) -> bool:
    return file.from_ms < piece.to_ms and file.until_ms >= piece.from_ms


def _empty(asked: Asked) -> dict[str, pa.Array]:
    numbers = (*asked.metrics, *(_PLACE if asked.located else ()))
    return {"device_id": pa.array([], pa.string()), "time_ms": pa.array([], pa.int64())} | {
        name: pa.array([], pa.float64()) for name in numbers
    }


def _of_population(rows: pa.Table, asked: Asked) -> pa.Table:
    if asked.only is not None and len(asked.only) > MOST_NAMES:
        rows = rows.filter(_is_in(rows, asked.only))
    return rows.filter(pc.invert(_is_in(rows, asked.left_out))) if asked.left_out else rows


def _is_in(rows: pa.Table, names: Collection[str]) -> pa.ChunkedArray:
    devices = rows["device_id"]
    return pc.is_in(devices, pa.array(sorted(names), devices.type))


def _time_ms(rows: pa.Table) -> pa.ChunkedArray:
    return pc.divide(pc.cast(rows["event_time"], pa.int64()), 1000)


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
