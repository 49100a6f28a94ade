"""Reads some data files and writes their rows as one, in the table's sort order and in bounded memory."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import pairwise
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.expressions import (
    AlwaysTrue,
    And,
    BooleanExpression,
    GreaterThanOrEqual,
    LessThan,
)
from pyiceberg.io.fileformat import FileFormatFactory
from pyiceberg.io.pyarrow import ArrowScan, schema_to_pyarrow
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
from pyiceberg.schema import Schema
from pyiceberg.table import FileScanTask, Table

from catalog.filters import predicate
from catalog.table_types import concat_rows

# About 400 MB of readings, held twice while they are sorted.
ROWS_AT_ONCE: Final = 1_000_000
# A device's day is 8,640 rows: a reader of one must not decode many others.
_ROW_GROUP: Final = "write.parquet.row-group-limit"
_ROWS_OF_A_GROUP: Final = 65_536


Mask = npt.NDArray[np.bool_]
Keep = Callable[[pa.Table], Mask]
Change = Callable[[pa.Table], pa.Table]


class Look(NamedTuple):
    """How new files are to look: `properties` override those of the table."""

    properties: dict[str, str]
    rows_at_once: int = ROWS_AT_ONCE


def rewrite(
    table: Table,
    files: list[DataFile],
    look: Look,
    *,
    into: Table | None = None,
    keep: Keep | None = None,
    change: Change | None = None,
) -> DataFile | None:
    """Write the rows of files of one partition as one new file, of table `into` if it is another.

    Only rows that `keep` tells true of, all by default, as `change` returns them; None when there is none.
    FileNotFoundError when a file is gone. The new file belongs to no snapshot yet.
    """
    target = into or table
    tasks = [FileScanTask(file) for file in files]
    schema = table.schema().select(*(field.name for field in target.schema().fields))
    path = _new_path(target, files[0])
    properties = {_ROW_GROUP: str(_ROWS_OF_A_GROUP)} | target.properties | look.properties
    model = FileFormatFactory.get(FileFormat.PARQUET)
    writer = model.create_writer(target.io.new_output(path), target.schema(), properties)
    arrow = schema_to_pyarrow(target.schema(), include_field_ids=True)
    rows = 0
    try:
        for part in _slices(table, tasks, look.rows_at_once):
            read = _read(table, schema, tasks, part, arrow)
            kept = read.filter(pa.array(keep(read))) if keep else read
            found = _sorted(target, change(kept) if change else kept)
            rows += found.num_rows
            if found.num_rows:
                writer.write(found)
        return _data_file(target, path, files[0], writer.close().to_serialized_dict()) if rows else None
    except BaseException:
        # Nobody knows of it yet, and nobody ever will.
        discard(target, path)
        raise


def discard(table: Table, path: str) -> None:
    """Delete a file that no snapshot names; one that is not there is well deleted."""
    with suppress(FileNotFoundError, OSError):
        table.io.delete(path)


def _new_path(table: Table, like: DataFile) -> str:
    folder = table.spec().partition_to_path(like.partition, table.schema())
    name = f"{uuid.uuid4()}-packed.parquet"
    return table.location_provider().new_data_location(f"{folder}/{name}" if folder else name)


def _slices(table: Table, tasks: list[FileScanTask], rows_at_once: int) -> Iterator[BooleanExpression]:
    """Yield conditions on the first sort column that cut the rows into parts that fit into memory."""
    rows = sum(task.file.record_count for task in tasks)
    names = sort_columns(table)
    if rows <= rows_at_once or not names or not table.schema().find_field(names[0]).required:
        yield AlwaysTrue()
        return
    edges = _edges(table, tasks, names[0], rows_at_once)
    bounds = [None, *edges, None]
    for begin, end in pairwise(bounds):
        part: BooleanExpression = AlwaysTrue()
        if begin is not None:
            part = And(part, predicate(GreaterThanOrEqual, names[0], begin))
        if end is not None:
            part = And(part, predicate(LessThan, names[0], end))
        yield part


def _edges(table: Table, tasks: list[FileScanTask], column: str, rows_at_once: int) -> list[str]:
    scan = ArrowScan(table.metadata, table.io, table.schema().select(column), AlwaysTrue())
    counts: dict[str, int] = {}
    for batch in scan.to_record_batches(tasks):
        for pair in pc.value_counts(batch.column(0)):
            value = pair["values"].as_py()
            counts[value] = counts.get(value, 0) + pair["counts"].as_py()
    edges, held = [], 0
    for value in sorted(counts):
        if held and held + counts[value] > rows_at_once:
            edges.append(value)
            held = 0
        held += counts[value]
    return edges


def _read(
    table: Table, schema: Schema, tasks: list[FileScanTask], part: BooleanExpression, arrow: pa.Schema
) -> pa.Table:
    batches = ArrowScan(table.metadata, table.io, schema, part).to_record_batches(tasks)
    return concat_rows((batch for batch in batches if batch.num_rows), arrow)


def _sorted(table: Table, rows: pa.Table) -> pa.Table:
    names = sort_columns(table)
    return rows.sort_by([(name, "ascending") for name in names]) if names else rows


def sort_columns(table: Table) -> list[str]:
    """Return the columns of the table's declared order."""
    return [table.schema().find_column_name(field.source_id) or "" for field in table.sort_order().fields]


def _data_file(table: Table, path: str, like: DataFile, statistics: dict[str, Any]) -> DataFile:
    made: DataFile = DataFile.from_args(
        content=DataFileContent.DATA,
        file_path=path,
        file_format=FileFormat.PARQUET,
        partition=like.partition,
        file_size_in_bytes=len(table.io.new_input(path)),
        sort_order_id=table.sort_order().order_id or None,
        equality_ids=None,
        key_metadata=None,
        **statistics,
    )
    made.spec_id = table.metadata.default_spec_id
    return made
