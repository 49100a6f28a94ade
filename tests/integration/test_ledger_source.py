"""The lake's side of the ledger, read from a real Iceberg table."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.table import Table

from catalog.ddl import read_table, table_files
from catalog.ledger import Ledger, balance
from catalog.ledger_source import _rows, stored_rows

pytestmark = [pytest.mark.integration, pytest.mark.stream]

Row = tuple[int, int, str]
EVENT = {"tenant": "demo", "device_id": "pump", "event_id": "1", "source": "mqtt"}
TIME_US = 1_767_225_600_000_000


@pytest.fixture
def readings(tmp_path: Path) -> Iterator[Table]:
    """The table as its file declares it, empty."""
    place = {"uri": f"sqlite:///{tmp_path}/catalog.db", "warehouse": tmp_path.as_uri()}
    lake = SqlCatalog("lake", **place)
    lake.create_namespace("iot")
    found = next(read_table(path) for path in table_files() if path.stem == "readings")
    yield lake.create_table(found.name, found.schema, partition_spec=found.partitions)
    lake.close()


def commit(table: Table, *rows: Row) -> None:
    schema = table.schema().as_arrow()
    records = [
        EVENT
        | {"event_time": TIME_US, "received_at": TIME_US, "metrics": [], "location": None, "attributes": None}
        | {"kafka_partition": partition, "kafka_offset": offset, "mark": mark}
        for partition, offset, mark in rows
    ]
    table.append(pa.Table.from_pylist(records, schema=schema))


def take(table: Table, ends: dict[int, int]) -> Ledger:
    return balance(ends, _rows(table), dead=0)


def test_a_table_without_commits_holds_nothing(readings: Table) -> None:
    assert stored_rows(readings) == 0
    assert take(readings, {0: 0}).balanced
    assert not take(readings, {0: 1}).balanced


def test_rows_of_many_commits_add_up(readings: Table) -> None:
    commit(readings, (0, 0, "on_time"), (1, 0, "late"))
    commit(readings, (0, 2, "duplicate"), (0, 1, "on_time"))
    assert stored_rows(readings) == 4
    found = take(readings, {0: 3, 1: 1})
    assert found.balanced
    assert found.marks == {"on_time": 2, "late": 1, "duplicate": 1}


def test_a_commit_made_twice_shows(readings: Table) -> None:
    for _ in range(2):
        commit(readings, (0, 0, "on_time"), (0, 1, "on_time"))
    found = take(readings, {0: 2})
    assert (found.stored, found.partitions[0].repeated, found.balanced) == (4, 2, False)


def test_a_commit_that_was_lost_shows_where(readings: Table) -> None:
    commit(readings, (0, 0, "on_time"))
    commit(readings, (0, 3, "on_time"))
    found = take(readings, {0: 4})
    assert (found.partitions[0].gaps, found.balanced) == ([(1, 2)], False)
