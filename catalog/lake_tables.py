"""The tables of one catalog as they are now and as they were; one for a process."""

from collections.abc import Callable
from threading import RLock

from pyiceberg.catalog import Catalog
from pyiceberg.catalog.sql import IcebergTables, SqlCatalog
from pyiceberg.exceptions import NoSuchTableError
from pyiceberg.table import Table
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

TableName = tuple[str, str]


class LakeTables:
    """Opens the catalog at first use and parses a table once per metadata file, which never changes.

    Every method may raise what the catalog raises: SQLAlchemyError, NoSuchTableError, OSError.
    """

    def __init__(self, open_lake: Callable[[], Catalog]) -> None:
        self._open_lake = open_lake
        self._lake: Catalog | None = None
        self._parsed: dict[TableName, Table] = {}
        self._lock = RLock()

    def load(self, name: TableName) -> Table:
        """Return a table as it is now."""
        with self._lock:
            try:
                return self._load(name)
            except SQLAlchemyError:
                # The database may have been away since the connection was made: once more with a new one.
                self.close()
                return self._load(name)

    def load_existing(self, name: TableName) -> list[Table]:
        """Return a table as it is now, nothing when there is none."""
        try:
            return [self.load(name)]
        except NoSuchTableError:
            return []

    def _load(self, name: TableName) -> Table:
        self._lake = self._lake or self._open_lake()
        known = self._parsed.get(name)
        if known is None or known.metadata_location != _metadata_location(self._lake, name):
            self._parsed[name] = self._lake.load_table(name)
        return self._parsed[name]

    def close(self) -> None:
        """Give the connections back; the next question opens the catalog again."""
        with self._lock:
            if self._lake is not None:
                self._lake.close()
            self._lake, self._parsed = None, {}


def _metadata_location(lake: Catalog, name: TableName) -> str | None:
    """Return where a table's newest metadata lies; None when this catalog cannot say it by itself."""
    if not isinstance(lake, SqlCatalog):
        return None
    sought = select(IcebergTables.metadata_location).where(
        IcebergTables.catalog_name == lake.name,
        IcebergTables.table_namespace == name[0],
        IcebergTables.table_name == name[1],
    )
    with Session(lake.engine) as session:
        return session.scalar(sought)
