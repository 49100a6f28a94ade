"""The lake's side of the ledger, read from real Iceberg tables a piece at a time."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow.parquet import write_table
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.table import Table

from catalog.ledger import Ledger, judge
from catalog.ledger_files import only_grew, snapshot_of, table_where, within
from catalog.ledger_minutes import Cut
from catalog.ledger_source import Tables, await_rows, catch_up, stored_rows
from catalog.ledger_state import LedgerState
from catalog.remarking import remark
from catalog.tables import apply_tables

pytestmark = [pytest.mark.integration, pytest.mark.stream, pytest.mark.sessions]

Row = tuple[int, int, str]
MINUTE = 29_453_760
NOW_MS = (MINUTE + 60) * 60_000
TIME_US = MINUTE * 60_000_000
READING = {
    "tenant": "demo",
    "device_id": "pump",
    "event_id": "1",
    "source": "mqtt",
    "event_time": TIME_US,
    "received_at": TIME_US,
    "metrics": [("a", 1.0)],
}


class Lake:
    """A catalog with the project's tables, empty, and a ledger that remembers."""

    def __init__(self, catalog: SqlCatalog) -> None:
        self.catalog = catalog
        self.state = LedgerState()

    def table(self, name: str) -> Table:
        return self.catalog.load_table(("iot", name))

    def commit(self, *rows: Row) -> None:
        names = ("kafka_partition", "kafka_offset", "mark")
        self._append("readings", [READING | dict(zip(names, row, strict=True)) for row in rows])

    def publish(self, count: int, revision: int = 0, minute: int = MINUTE, metric: str = "a") -> None:
        place = {"tenant": "demo", "device_id": "pump", "metric": metric, "window_start": minute * 60_000_000}
        values = dict.fromkeys(("min", "max", "sum", "first", "last"), 1.0)
        more = {"count": count, "late_count": 0, "revision": revision, "complete": True}
        self._append("rollups_1m", [place | values | more])

    def _append(self, name: str, rows: list[Any]) -> None:
        table = self.table(name)
        table.append(pa.Table.from_pylist(rows, schema=table.schema().as_arrow()))

    def look(self, ends: dict[int, int]) -> Ledger:
        """Catch up with the tables, from what the last look knew and from nothing: both must agree."""
        tables = Tables(*(self.table(name) for name in ("rollups_1m", "readings", "dead_letters")))
        self.state = catch_up(self.state, tables)
        cut = Cut(now_ms=NOW_MS, ends=ends, dead_ends={0: 0}, last_ends=ends)
        found = judge(self.state, cut, {})
        assert judge(catch_up(LedgerState(), tables), cut, {}).as_json() == found.as_json()
        return found


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Lake]:
    place = {
        "uri": f"sqlite:///{tmp_path}/catalog.db",
        "warehouse": tmp_path.as_uri(),
        "schema_version": "v1",
    }
    catalog = SqlCatalog("lake", **place)
    apply_tables(catalog)
    yield Lake(catalog)
    catalog.close()


def test_a_table_without_commits_holds_nothing(lake: Lake) -> None:
    assert stored_rows(lake.table("readings")) == 0
    assert lake.look({0: 0}).balanced
    assert not lake.look({0: 1}).balanced


def test_rows_of_many_commits_add_up_look_by_look(lake: Lake) -> None:
    lake.commit((0, 0, "on_time"), (1, 0, "late"))
    lake.publish(2)
    assert lake.look({0: 1, 1: 1}).balanced
    lake.commit((0, 2, "duplicate"), (0, 1, "on_time"))
    lake.publish(3, revision=1)
    found = lake.look({0: 3, 1: 1})
    assert found.balanced
    assert found.marks == {"on_time": 2, "late": 1, "duplicate": 1, "replaced": 0}
    assert stored_rows(lake.table("readings")) == 4


def test_the_ledger_follows_marks_that_change(lake: Lake) -> None:
    lake.commit((0, 0, "on_time"), (0, 1, "late"))
    lake.commit((0, 2, "late"))
    lake.publish(3)
    assert lake.look({0: 3}).balanced
    for offset, mark, marks in (
        (1, "duplicate", {"on_time": 1, "late": 1, "duplicate": 1, "replaced": 0}),
        (0, "replaced", {"on_time": 0, "late": 1, "duplicate": 1, "replaced": 1}),
    ):
        remark(lake.table("readings"), changed(offset, mark))
        lake.commit((0, 3 + offset, "duplicate"))
        found = lake.look({0: 3 + offset})
        assert found.marks | {"duplicate": found.marks["duplicate"] - (2 - offset)} == marks
        assert only_grew(lake.table("readings"), lake.state.snapshots["readings"])
    assert found.windows.expected == 1
    assert not found.balanced


def changed(offset: int, mark: str) -> pa.Table:
    place = {"tenant": "demo", "device_id": "pump", "event_time_ms": MINUTE * 60_000}
    return pa.Table.from_pylist([place | {"kafka_partition": 0, "kafka_offset": offset, "mark": mark}])


def test_a_commit_made_twice_shows(lake: Lake) -> None:
    for _ in range(2):
        lake.commit((0, 0, "on_time"), (0, 1, "on_time"))
        lake.publish(2)
        found = lake.look({0: 2})
    assert (found.stored, found.partitions[0].repeated, found.balanced) == (4, 2, False)


def test_a_commit_that_was_lost_shows_where_until_it_is_there(lake: Lake) -> None:
    lake.commit((0, 0, "on_time"))
    lake.commit((0, 3, "on_time"))
    lake.publish(4)
    assert lake.look({0: 4}).partitions[0].gaps == [(1, 2)]
    lake.commit((0, 1, "on_time"), (0, 2, "on_time"))
    assert lake.look({0: 4}).balanced


def test_only_the_highest_revision_counts_whenever_it_is_seen(lake: Lake) -> None:
    lake.commit((0, 0, "on_time"), (0, 1, "late"))
    for count, revision, balanced in ((1, 0, False), (7, 1, False), (2, 2, True)):
        lake.publish(count, revision)
        assert lake.look({0: 2}).balanced is balanced
    lake.publish(9, minute=MINUTE + 1, revision=4)
    assert lake.look({0: 2}).windows.wrong == [MINUTE + 1]


def test_deleted_rows_are_missed_though_a_look_had_seen_them(lake: Lake) -> None:
    lake.commit((0, 0, "on_time"))
    lake.commit((0, 1, "on_time"))
    lake.publish(2)
    assert lake.look({0: 2}).balanced
    seen = snapshot_of(lake.table("readings"))
    assert only_grew(lake.table("readings"), seen)
    lake.table("readings").delete("kafka_offset = 1")
    assert not only_grew(lake.table("readings"), seen)
    found = lake.look({0: 2})
    assert (found.partitions[0].gaps, found.windows.wrong) == ([(1, 1)], [MINUTE])


def test_files_of_another_writer_are_read_with_ours(lake: Lake, tmp_path: Path) -> None:
    lake.commit((0, 0, "on_time"), (0, 1, "on_time"))
    lake.publish(1)
    table = lake.table("rollups_1m")
    rows = table.scan().to_arrow()
    spelled = [field.with_type(_as_flink_spells(field.type)) for field in rows.schema]
    path = tmp_path / "other.parquet"
    write_table(rows.cast(pa.schema(spelled)), path, store_schema=False)
    table.add_files([path.as_uri()])
    assert lake.look({0: 2}).balanced


def _as_flink_spells(kind: pa.DataType) -> pa.DataType:
    return pa.string() if pa.types.is_large_string(kind) else kind


def test_rows_of_a_minute_are_found_by_their_time(lake: Lake) -> None:
    lake.publish(1)
    lake.publish(2, minute=MINUTE + 1)
    table = lake.table("rollups_1m")
    found = table_where(table, within("window_start", MINUTE + 1, MINUTE + 1), ("count",))
    assert found.column("count").to_pylist() == [2]


def test_waiting_for_rows_ends_with_patience(lake: Lake) -> None:
    lake.commit((0, 0, "on_time"))
    assert stored_rows(await_rows(lake.catalog, "readings", 1, 5)) == 1
    assert stored_rows(await_rows(lake.catalog, "readings", 2, 0)) == 1
