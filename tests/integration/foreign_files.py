"""Data files as Flink and Spark write them: other Arrow types than PyIceberg's for the same columns."""

import uuid
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
from pyarrow.parquet import write_table
from pyiceberg.table import Table

Writer = Literal["flink", "spark", "narrow"]


def append_as(writer: Writer, table: Table, rows: list[dict[str, Any]], folder: Path) -> None:
    """Commit rows in one file of the writer's form; `narrow` = integers from before they were widened."""
    given = pa.Table.from_pylist(rows, schema=table.schema().as_arrow())
    fields = [field.with_type(_spelled(field.type, writer)).remove_metadata() for field in given.schema]
    path = folder / f"{writer}-{uuid.uuid4()}.parquet"
    dictionary = writer == "flink"
    write_table(given.cast(pa.schema(fields)), path, store_schema=False, use_dictionary=dictionary)
    table.add_files([path.as_uri()])


def _spelled(kind: pa.DataType, writer: Writer) -> pa.DataType:
    if pa.types.is_large_string(kind):
        return pa.string()
    if pa.types.is_large_binary(kind):
        return pa.binary()
    if pa.types.is_map(kind):
        value = pa.field("value", _spelled(kind.item_type, writer), nullable=False)
        return pa.map_(_spelled(kind.key_type, writer), value)
    return pa.int32() if writer == "narrow" and pa.types.is_int64(kind) else kind
