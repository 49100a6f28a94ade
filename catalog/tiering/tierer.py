"""One pass over the tiers: end what a crash left, move what is old, delete what is older."""

from typing import NamedTuple

from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NoSuchTableError
from pyiceberg.table import Table

from catalog.archive import ARCHIVE, READINGS
from catalog.tiering.choosing import Chooser
from catalog.tiering.moving import Moved, move, settle, split
from catalog.tiering.retention import delete
from catalog.tiering.terms import Terms

FORGOTTEN = ("iot", "forgotten")


class Tiered(NamedTuple):
    """What one pass moved to the archive and deleted from it."""

    moved: Moved = Moved()
    deleted: Moved = Moved()


class Tierer:
    """Moves readings along; only one at a time, as maintenance."""

    def __init__(self, lake: Catalog) -> None:
        self._lake = lake
        self._old, self._older = Chooser("warm"), Chooser("kept")

    def settle(self) -> None:
        """End a move that a crash left half done; before any file of either table is touched."""
        tables = self._tables()
        if tables:
            settle(*tables)

    def run_pass(self, terms: Terms, now_ms: int) -> Tiered:
        """Move and delete what is due now."""
        tables = self._tables()
        if tables is None:
            return Tiered()
        warm, archive = tables
        settle(warm, archive)
        split(warm, self._old.due(warm, terms, now_ms).mixed, terms, "warm", now_ms)
        moved = move(warm, archive, self._old.due(warm, terms, now_ms).whole)
        return Tiered(moved, self._deleted(archive, terms, now_ms))

    def _deleted(self, archive: Table, terms: Terms, now_ms: int) -> Moved:
        split(archive, self._older.due(archive, terms, now_ms).mixed, terms, "kept", now_ms)
        due = self._older.due(archive, terms, now_ms).whole
        return delete(archive, self._lake.load_table(FORGOTTEN), due) if due else Moved()

    def _tables(self) -> tuple[Table, Table] | None:
        try:
            return self._lake.load_table(READINGS), self._lake.load_table(ARCHIVE)
        except NoSuchTableError:
            return None
