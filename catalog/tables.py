"""Brings the Iceberg tables to what their files say (`python -m catalog.tables`)."""

from contextlib import suppress

from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NamespaceAlreadyExistsError, TableAlreadyExistsError

from catalog.ddl import TableDefinition, read_table, table_files
from catalog.lake import NAMESPACE, load_lake
from millrace.errors import MillraceError
from millrace.settings import settings


def apply_tables(lake: Catalog) -> list[str]:
    """Bring every table to what its file says; return a line for each change."""
    with suppress(NamespaceAlreadyExistsError):
        lake.create_namespace(NAMESPACE)
    return [change for path in table_files() for change in _apply(lake, read_table(path))]


def _apply(lake: Catalog, definition: TableDefinition) -> list[str]:
    try:
        lake.create_table(
            definition.name,
            definition.schema,
            partition_spec=definition.partitions,
            properties=definition.properties,
        )
    except TableAlreadyExistsError:
        return _evolve(lake, definition)
    return [f"created {'.'.join(definition.name)}"]


def _evolve(lake: Catalog, definition: TableDefinition) -> list[str]:
    table = lake.load_table(definition.name)
    present = {field.name for field in table.schema().fields}
    new = [field for field in definition.schema.fields if field.name not in present]
    refused = [field.name for field in new if field.required]
    if refused:
        raise MillraceError(
            f"table {'.'.join(definition.name)} cannot gain required column {', '.join(refused)}",
            where="schemas/tables",
            mend="Older rows have no value for it: leave out NOT NULL.",
        )
    with table.update_schema() as update:
        for field in new:
            update.add_column(field.name, field.field_type, field.doc)
    return [f"added {'.'.join(definition.name)}.{field.name}" for field in new]


def main() -> None:
    """Apply all tables to this stack's catalog."""
    apply_tables(load_lake(settings()))


if __name__ == "__main__":
    main()
