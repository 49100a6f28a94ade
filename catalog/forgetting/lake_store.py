"""Forgets a device in all tables of the lake."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NoSuchTableError
from pyiceberg.table import Table

from catalog.forgetting.erasing import erase
from catalog.forgetting.held_rows import Held, Search
from catalog.forgetting.owner import Owner
from catalog.forgetting.retiring import retire
from catalog.lake import NAMESPACE
from millrace.errors import MillraceError

# Tables whose rows have a place in a topic; the ledger must know of places that are empty now.
_TOPICS: Final = {"readings": "telemetry", "dead_letters": "telemetry.dead-letter"}


class TableForgotten(NamedTuple):
    """What was found in a table and what is left.

    Rows of the newest snapshot before and after, how many of those before named it in their bytes only, files
    with such rows in any snapshot before and how many of them still exist, snapshots removed, files deleted
    with them, branches and tags dropped.
    """

    table: str
    rows_before: int
    rows_after: int
    rows_named_in_bytes: int
    files_before: int
    files_after: int
    snapshots_expired: tuple[int, ...]
    files_deleted: int
    refs_dropped: tuple[str, ...]

    @property
    def is_clean(self) -> bool:
        """Whether nothing is left."""
        return not (self.rows_after or self.files_after)


def forget_in_lake(lake: Catalog, owner: Owner) -> list[TableForgotten]:
    """Forget a device in every table that has devices; MillraceError when one does not let it go.

    Readings go last: what is derived from them could be derived again.
    """
    tables = [lake.load_table(name) for name in owned_tables(lake)]
    tables.sort(key=lambda table: (table.name()[-1] in _TOPICS, table.name()))
    return [_forget(lake, table, owner) for table in tables]


def owned_tables(lake: Catalog) -> list[tuple[str, ...]]:
    """Return the tables, of any namespace, whose rows belong to devices."""
    names = [name for space in sorted(lake.list_namespaces()) for name in sorted(lake.list_tables(space))]
    return [name for name in names if _has_owner(lake.load_table(name))]


def _has_owner(table: Table) -> bool:
    return {"tenant", "device_id"} <= set(table.schema().column_names)


def _forget(lake: Catalog, table: Table, owner: Owner) -> TableForgotten:
    search = Search(table, owner)
    ever, now = search.ever(), search.now()
    topic = _TOPICS.get(table.name()[-1])
    note = _Places(lake, search, topic).note if topic else _nothing

    def erase_all() -> int:
        return erase(search, owner, note)

    erase_all()
    retired = retire(search, erase_all)
    table.refresh()
    return TableForgotten(
        table=".".join(table.name()),
        rows_before=sum(one.rows for one in now),
        rows_after=sum(one.rows for one in search.now()),
        rows_named_in_bytes=sum(one.rows_in_bytes for one in now),
        files_before=len(ever),
        files_after=sum(table.io.new_input(one.file.file_path).exists() for one in ever),
        snapshots_expired=retired.snapshots,
        files_deleted=retired.files,
        refs_dropped=retired.refs,
    )


def _nothing(_: Sequence[Held]) -> None:
    return


class _Places:
    """Writes down which places of a topic will be empty, before they are; each once."""

    def __init__(self, lake: Catalog, search: Search, topic: str) -> None:
        try:
            self._table = lake.load_table((NAMESPACE, "forgotten"))
        except NoSuchTableError:
            raise MillraceError(
                "there is no table iot.forgotten", where="catalog", mend="`millrace up` makes it."
            ) from None
        self._search, self._topic = search, topic
        self._noted: set[tuple[int, int]] = set()

    def note(self, held: Sequence[Held]) -> None:
        """Write down the places of the device's rows in some files."""
        rows = self._search.places(held)
        places = list(zip(rows["kafka_partition"].to_pylist(), rows["kafka_offset"].to_pylist(), strict=True))
        new = rows.filter(pa.array([place not in self._noted for place in places], pa.bool_()))
        self._noted.update(places)
        if new.num_rows:
            self._append(new)

    def _append(self, rows: pa.Table) -> None:
        minutes = pc.floor_temporal(rows["received_at"], unit="minute")
        place = rows.schema.get_field_index("received_at")
        rows = rows.set_column(place, "received_at", minutes)
        rows = rows.append_column("topic", pa.array([self._topic] * rows.num_rows, pa.string()))
        wanted = self._table.schema().as_arrow()
        self._table.append(
            rows.select(wanted.names).cast(wanted), snapshot_properties={"millrace.writer": "forget"}
        )
