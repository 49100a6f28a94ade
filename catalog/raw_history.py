"""Reads stored readings of single devices, from the warm table and the archive as if they were one."""

from collections.abc import Iterable
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyiceberg.table import Table
from pyiceberg.table.snapshots import Snapshot

from catalog.marks import LATE, is_counted
from catalog.snapshot_files import Where
from catalog.stored_rows import read_rows
from catalog.table_types import concat_rows, to_table_types

_COLUMNS: Final = ("metrics", "mark", "kafka_partition", "kafka_offset")
_ORDER: Final = ("time_ms", "device_id", "kafka_partition", "kafka_offset")


class Values(NamedTuple):
    """Values of one metric in readings, in order of time, then of what was stored first."""

    row: NDArray[np.int64]
    value: NDArray[np.float64]


def read_raw(places: Iterable[tuple[Table, Snapshot]], where: Where) -> pa.Table:
    """Return readings that count, in order of time: device_id, time_ms, metrics, late, coordinates.

    What lies in two places counts once: a row that moves to the archive is in both for a moment. Open the one
    that rows come from first, or a row may be in neither.
    """
    pieces = (
        _counted(rows) for table, snapshot in places for rows in read_rows(table, snapshot, where, _COLUMNS)
    )
    rows = concat_rows(pieces, RAW_SCHEMA)
    ordered = rows.sort_by([(name, "ascending") for name in _ORDER])
    return ordered.filter(pa.array(_first_of_each(ordered)))


RAW_SCHEMA: Final = pa.schema(
    {
        "device_id": pa.string(),
        "time_ms": pa.int64(),
        "metrics": pa.map_(pa.string(), pa.float64()),
        "late": pa.bool_(),
        "kafka_partition": pa.int32(),
        "kafka_offset": pa.int64(),
    }
)


def _counted(rows: pa.Table) -> pa.Table:
    mark = rows["mark"].cast(pa.string())
    found = to_table_types(rows.append_column("late", pc.equal(mark, LATE)), RAW_SCHEMA)
    return found.filter(is_counted(mark))


def _first_of_each(rows: pa.Table) -> NDArray[np.bool_]:
    """Return which rows differ in their place in the log from the row before: others are the same row."""
    keep = np.ones(len(rows), bool)
    partition, offset = (rows[name].to_numpy() for name in _ORDER[2:])
    keep[1:] = (np.diff(partition) != 0) | (np.diff(offset) != 0)
    return keep


def values_by_metric(rows: pa.Table, metrics: frozenset[str] | None) -> dict[str, Values]:
    """Return which row says what of each metric; all metrics when none is named."""
    maps = rows["metrics"].combine_chunks()
    if not len(maps):
        return {}
    places = maps.offsets.to_numpy()
    row = np.repeat(np.arange(len(maps)), np.diff(places))
    names = maps.keys[places[0] : places[-1]].dictionary_encode()
    value = maps.items[places[0] : places[-1]].to_numpy(zero_copy_only=False)
    is_value = ~np.isnan(value)
    found = {}
    for place, name in enumerate(names.dictionary.to_pylist()):
        if metrics is None or name in metrics:
            chosen = (names.indices.to_numpy() == place) & is_value
            found[name] = Values(row[chosen], value[chosen])
    return found
