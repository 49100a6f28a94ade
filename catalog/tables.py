"""Brings the Iceberg tables to what their files say (`python -m catalog.tables`)."""

from collections.abc import Mapping
from contextlib import suppress

from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NamespaceAlreadyExistsError, TableAlreadyExistsError

from catalog.archive import ARCHIVE
from catalog.ddl import TableDefinition, read_table, table_files
from catalog.evolution import evolve
from catalog.lake import load_lake
from millrace.bucket.reach import require_buckets, require_catalog
from millrace.errors import MillraceError
from millrace.settings import settings


def apply_tables(lake: Catalog, roots: Mapping[str, str] | None = None) -> list[str]:
    """Bring every table to what its file says; return a line for each change.

    New tables of a namespace in `roots` lie below that URI, the others in the warehouse.
    """
    definitions = [read_table(path) for path in table_files()]
    for namespace in sorted({definition.name[0] for definition in definitions}):
        with suppress(NamespaceAlreadyExistsError):
            lake.create_namespace(namespace)
    return [change for definition in definitions for change in _apply(lake, definition, roots or {})]


def _apply(lake: Catalog, definition: TableDefinition, roots: Mapping[str, str]) -> list[str]:
    namespace, name = definition.name
    try:
        lake.create_table(
            definition.name,
            definition.schema,
            location=f"{roots[namespace].rstrip('/')}/{name}" if namespace in roots else None,
            partition_spec=definition.partitions,
            sort_order=definition.order,
            properties=definition.properties,
        )
    except TableAlreadyExistsError:
        return evolve(lake.load_table(definition.name), definition)
    return [f"created {'.'.join(definition.name)}"]


def main() -> None:
    """Apply all tables to this stack's catalog; exit with one sentence when the lake is not to be had."""
    config = settings()
    archive = config.lake.archive
    try:
        require_buckets(config)
        require_catalog(config)
        apply_tables(load_lake(config), {ARCHIVE[0]: archive} if archive else {})
    except MillraceError as error:
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main()
