"""Rows of differently written files brought to the one Arrow schema of their Iceberg table.

Flink and Spark store text as `string`, PyIceberg's writer as `large_string`, a column that was widened keeps
its width in old files, entries of maps may or may not be nullable: Arrow concatenates only equal schemas.
"""

from collections.abc import Iterable

import pyarrow as pa
from pyiceberg.io.pyarrow import schema_to_pyarrow
from pyiceberg.schema import Schema


def arrow_schema(table_schema: Schema) -> pa.Schema:
    """Return the Arrow schema in which rows of a table, or of some of its columns, are handled."""
    return schema_to_pyarrow(table_schema, include_field_ids=False)


def to_table_types(rows: pa.Table | pa.RecordBatch, wanted: pa.Schema) -> pa.Table:
    """Return rows with exactly these columns and types; a column the file never had is null.

    ArrowInvalid when a value does not fit, as a null in a required column.
    """
    table = pa.Table.from_batches([rows]) if isinstance(rows, pa.RecordBatch) else rows
    if table.schema.equals(wanted, check_metadata=True):
        return table
    present = frozenset(table.column_names)
    columns = [table[f.name] if f.name in present else pa.nulls(len(table), f.type) for f in wanted]
    return pa.table(columns, names=wanted.names).cast(wanted)


def concat_rows(pieces: Iterable[pa.Table | pa.RecordBatch], wanted: pa.Schema) -> pa.Table:
    """Put pieces of differently written files together; no piece at all is an empty table."""
    found = [to_table_types(piece, wanted) for piece in pieces]
    return pa.concat_tables(found) if found else wanted.empty_table()
