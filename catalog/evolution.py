"""Brings a table that is there to what its file says, in one commit or not at all.

Iceberg knows columns by number: a column that is added, widened or renamed leaves every file and every
snapshot readable. What would not is refused. A column the file does not name is left alone: it may be of a
newer version that was taken back.
"""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from pyiceberg.schema import Schema
from pyiceberg.table import Table, Transaction
from pyiceberg.transforms import IdentityTransform
from pyiceberg.types import IcebergType, ListType, MapType, NestedField, StructType

from catalog.ddl import TableDefinition
from millrace.errors import MillraceError

Path = tuple[str, ...]
_FIXED: Final = "format-version"
_WIDER: Final = {("int", "long"), ("float", "double")}


class _Plan(NamedTuple):
    """What is to change: renames first, paths are those after them."""

    renamed: list[tuple[str, str]]
    added: list[tuple[Path, NestedField]]
    widened: list[tuple[Path, IcebergType]]
    eased: list[Path]
    described: list[tuple[Path, str | None]]
    refused: list[str]


def evolve(table: Table, definition: TableDefinition) -> list[str]:
    """Change a table as its file says; return a line for each change; MillraceError when it must not be."""
    plan = _planned(table, definition)
    if plan.refused:
        raise MillraceError(
            f"table {'.'.join(definition.name)} cannot become what its file says: {'; '.join(plan.refused)}",
            where=f"schemas/tables/{definition.name[-1]}.sql",
            mend="Add a column without NOT NULL, widen or rename one (`-- was: name`), or make a new table.",
        )
    ordered = [field.source_id for field in table.sort_order().fields] != _order_ids(table, definition, plan)
    properties = _new_properties(table, definition)
    with table.transaction() as transaction:
        _change_columns(transaction, plan)
        if properties:
            transaction.set_properties(properties)
        if ordered:
            _change_order(transaction, definition)
    return list(_told(".".join(definition.name), plan, properties, ordered=ordered))


def _planned(table: Table, definition: TableDefinition) -> _Plan:
    plan = _Plan([], [], [], [], [], [])
    present = {field.name: field for field in table.schema().fields}
    for field in definition.schema.fields:
        earlier = definition.earlier_names.get(field.name)
        if earlier in present and field.name not in present:
            plan.renamed.append((earlier, field.name))
            _compare(plan, (field.name,), present[earlier], field)
        elif field.name in present:
            _compare(plan, (field.name,), present[field.name], field)
        else:
            _add(plan, (field.name,), field)
    if _partition_names(table.schema(), table.spec()) != _partition_names(
        definition.schema, definition.partitions
    ):
        plan.refused.append("its partitioning differs, and files of both would lie side by side")
    return plan


def _add(plan: _Plan, path: Path, field: NestedField) -> None:
    if field.required:
        plan.refused.append(
            f"it cannot gain required column {'.'.join(path)}, older rows have no value for it"
        )
    else:
        plan.added.append((path, field))


def _compare(plan: _Plan, path: Path, present: NestedField, wanted: NestedField) -> None:
    name = ".".join(path)
    if wanted.required and not present.required:
        plan.refused.append(f"{name} may be null in older rows and cannot become required")
    if present.required and not wanted.required:
        plan.eased.append(path)
    if present.doc != wanted.doc:
        plan.described.append((path, wanted.doc))
    _compare_types(plan, path, present.field_type, wanted.field_type)


def _compare_types(plan: _Plan, path: Path, present: IcebergType, wanted: IcebergType) -> None:
    if isinstance(present, StructType) and isinstance(wanted, StructType):
        known = {field.name: field for field in present.fields}
        for field in wanted.fields:
            if field.name in known:
                _compare(plan, (*path, field.name), known[field.name], field)
            else:
                _add(plan, (*path, field.name), field)
    elif _kind(present) != _kind(wanted):
        if (str(present), str(wanted)) in _WIDER:
            plan.widened.append((path, wanted))
        else:
            plan.refused.append(f"{'.'.join(path)} is {_kind(present)} and cannot become {_kind(wanted)}")


def _kind(kind: IcebergType) -> str:
    """Return a type without the numbers of what is inside it."""
    if isinstance(kind, StructType):
        return f"struct<{', '.join(f'{field.name}: {_kind(field.field_type)}' for field in kind.fields)}>"
    if isinstance(kind, MapType):
        return f"map<{_kind(kind.key_type)}, {_kind(kind.value_type)}>"
    if isinstance(kind, ListType):
        return f"list<{_kind(kind.element_type)}>"
    return str(kind)


def _partition_names(schema: Schema, spec: Any) -> list[tuple[str, str]]:
    return [(str(field.transform), field.name) for field in spec.fields]


def _order_ids(table: Table, definition: TableDefinition, plan: _Plan) -> list[int]:
    """Return the numbers of the sort columns in the table; -1 for one it gains only now."""
    earlier = {new: old for old, new in plan.renamed}
    names = [definition.schema.find_column_name(field.source_id) or "" for field in definition.order.fields]
    present = {field.name: field.field_id for field in table.schema().fields}
    return [present.get(earlier.get(name, name), -1) for name in names]


def _new_properties(table: Table, definition: TableDefinition) -> dict[str, str]:
    return {
        name: value
        for name, value in definition.properties.items()
        if name != _FIXED and table.properties.get(name) != value
    }


def _change_columns(transaction: Transaction, plan: _Plan) -> None:
    with transaction.update_schema() as update:
        for old, new in plan.renamed:
            update.rename_column(old, new)
    with transaction.update_schema() as update:
        for path, field in plan.added:
            update.add_column(path, field.field_type, field.doc)
        for path, kind in plan.widened:
            update.update_column(path, field_type=kind)
        for path in plan.eased:
            update.make_column_optional(path)
        for path, doc in plan.described:
            update.update_column(path, doc=doc or "")


def _change_order(transaction: Transaction, definition: TableDefinition) -> None:
    with transaction.update_sort_order() as update:
        for field in definition.order.fields:
            update.asc(definition.schema.find_column_name(field.source_id) or "", IdentityTransform())


def _told(table: str, plan: _Plan, properties: dict[str, str], *, ordered: bool) -> Iterator[str]:
    yield from (f"renamed {table}.{old} to {new}" for old, new in plan.renamed)
    yield from (f"added {table}.{'.'.join(path)}" for path, _ in plan.added)
    yield from (f"widened {table}.{'.'.join(path)} to {kind}" for path, kind in plan.widened)
    yield from (f"made {table}.{'.'.join(path)} optional" for path in plan.eased)
    yield from (f"described {table}.{'.'.join(path)}" for path, _ in plan.described)
    yield from (f"set {table} {name} = {value}" for name, value in properties.items())
    if ordered:
        yield f"sorted {table} anew"
