"""Reads `schemas/tables/*.sql`: one CREATE TABLE in Spark's dialect becomes an Iceberg schema."""

import re
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import sqlglot
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table.sorting import NullOrder, SortField, SortOrder
from pyiceberg.transforms import DayTransform, HourTransform, IdentityTransform, MonthTransform, Transform
from pyiceberg.types import (
    BinaryType,
    BooleanType,
    DoubleType,
    FloatType,
    IcebergType,
    IntegerType,
    LongType,
    MapType,
    NestedField,
    StringType,
    StructType,
    TimestamptzType,
)
from sqlglot import expressions as exp

from millrace.contracts import SCHEMAS
from millrace.errors import MillraceError

_SIMPLE: dict[Any, IcebergType] = {
    exp.DataType.Type.TEXT: StringType(),
    exp.DataType.Type.INT: IntegerType(),
    exp.DataType.Type.BIGINT: LongType(),
    exp.DataType.Type.DOUBLE: DoubleType(),
    exp.DataType.Type.FLOAT: FloatType(),
    exp.DataType.Type.BOOLEAN: BooleanType(),
    exp.DataType.Type.BINARY: BinaryType(),
    exp.DataType.Type.TIMESTAMPTZ: TimestamptzType(),
}
_TRANSFORMS: dict[str, Transform[Any, Any]] = {
    "MONTHS": MonthTransform(),
    "DAYS": DayTransform(),
    "HOURS": HourTransform(),
}


# Spark says this with a statement of its own; here it is a property, so that a file stays one statement.
SORTED_BY = "millrace.sorted-by"
_WAS = re.compile(r"\bwas:\s*(\w+)")


@dataclass(frozen=True, kw_only=True)
class TableDefinition:
    """One Iceberg table as its file declares it; `earlier_names` by the name a column has now."""

    name: tuple[str, ...]
    schema: Schema
    partitions: PartitionSpec
    order: SortOrder
    properties: dict[str, str]
    earlier_names: dict[str, str]


def table_files() -> list[Path]:
    """Every table definition in `schemas/tables/`."""
    return sorted((SCHEMAS / "tables").glob("*.sql"))


def read_table(path: Path) -> TableDefinition:
    """Parse one file; raise MillraceError where it says something Iceberg has no word for."""
    statement = sqlglot.parse_one(path.read_text(), dialect="spark")
    if not isinstance(statement, exp.Create) or not isinstance(statement.this, exp.Schema):
        raise MillraceError("not one CREATE TABLE with columns", where=str(path), mend="Correct the file.")
    schema = _Fields(path).schema(statement.this)
    properties = _properties(statement)
    return TableDefinition(
        name=(statement.this.this.db, statement.this.this.name),
        schema=schema,
        partitions=_partitions(statement, schema),
        order=_order(properties.get(SORTED_BY, ""), schema),
        properties=properties,
        earlier_names=_earlier_names(statement.this),
    )


class _Fields:
    """Turns column definitions into Iceberg fields, numbering them as it goes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._ids = count(1)

    def schema(self, columns: exp.Schema) -> Schema:
        definitions = list(columns.find_all(exp.ColumnDef))
        top = [column for column in definitions if column.parent is columns]
        ids = [next(self._ids) for _ in top]
        return Schema(*(self._field(i, column) for i, column in zip(ids, top, strict=True)))

    def _field(self, field_id: int, column: exp.ColumnDef) -> NestedField:
        comment = column.find(exp.CommentColumnConstraint)
        return NestedField(
            field_id,
            column.name,
            self._type(column.args["kind"]),
            required=any(isinstance(c.kind, exp.NotNullColumnConstraint) for c in column.constraints),
            doc=comment.this.name if comment else None,
        )

    def _type(self, kind: exp.DataType) -> IcebergType:
        if kind.this == exp.DataType.Type.MAP:
            key, value = kind.expressions
            return MapType(next(self._ids), self._type(key), next(self._ids), self._type(value))
        if kind.this == exp.DataType.Type.STRUCT:
            ids = [next(self._ids) for _ in kind.expressions]
            return StructType(*(self._field(i, c) for i, c in zip(ids, kind.expressions, strict=True)))
        if kind.this not in _SIMPLE:
            raise MillraceError(
                f"column type {kind.sql()} is not known here", where=str(self._path), mend="Use another type."
            )
        return _SIMPLE[kind.this]


def _earlier_names(columns: exp.Schema) -> dict[str, str]:
    """Return what `-- was: name` behind a column says: what it was called before it was renamed."""
    remarks = {column.name: " ".join(column.comments or []) for column in columns.find_all(exp.ColumnDef)}
    found = {name: _WAS.search(remark) for name, remark in remarks.items()}
    return {name: match[1] for name, match in found.items() if match}


def _partitions(statement: exp.Create, schema: Schema) -> PartitionSpec:
    clause = statement.find(exp.PartitionedByProperty)
    terms = clause.this.expressions if clause else []
    return PartitionSpec(*(_partition(1000 + i, term, schema) for i, term in enumerate(terms)))


def _partition(field_id: int, term: exp.Expression, schema: Schema) -> PartitionField:
    column = term.find(exp.Column) or term.find(exp.Identifier)
    name = column.name if column else term.name
    word = term.sql(dialect="spark").split("(")[0].upper()
    transform = _TRANSFORMS.get(word, IdentityTransform())
    suffix = f"_{word.lower().rstrip('s')}" if word in _TRANSFORMS else ""
    return PartitionField(schema.find_field(name).field_id, field_id, transform, name + suffix)


def _properties(statement: exp.Create) -> dict[str, str]:
    pairs = statement.args["properties"].find_all(exp.Property)
    return {p.this.name: p.args["value"].name for p in pairs if type(p) is exp.Property}


def _order(columns: str, schema: Schema) -> SortOrder:
    names = [name.strip() for name in columns.split(",") if name.strip()]
    ids = [schema.find_field(name).field_id for name in names]
    return SortOrder(*(SortField(i, IdentityTransform(), null_order=NullOrder.NULLS_LAST) for i in ids))
