"""Rows of a real Iceberg table by metadata: few files and row groups, other schemas, other engines' files."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.table import Table
from pyiceberg.types import LongType

from catalog.lake_tables import LakeTables
from catalog.rollup_history import read_minutes
from catalog.snapshot_files import Where, planned
from catalog.stored_rows import read_rows
from catalog.tables import apply_tables
from catalog.time_slices import FileSpan

pytestmark = [pytest.mark.integration, pytest.mark.lakehouse]

START_MS = 1_769_860_800_000
MINUTE_MS = 60_000


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[SqlCatalog]:
    made = SqlCatalog(
        "lake", uri=f"sqlite:///{tmp_path}/c.db", warehouse=tmp_path.as_uri(), schema_version="v1"
    )
    apply_tables(made)
    yield made
    made.close()


@pytest.fixture
def table(lake: SqlCatalog) -> Table:
    return lake.load_table(("iot", "rollups_1m"))


def row(device_id: str, minute: int, **more: Any) -> dict[str, Any]:
    return {
        "tenant": "demo",
        "device_id": device_id,
        "metric": "x",
        "window_start": datetime.fromtimestamp((START_MS + minute * MINUTE_MS) / 1000, UTC),
        **dict.fromkeys(("min", "max", "sum", "first", "last"), float(minute)),
        "count": 1,
        "late_count": 0,
        "revision": 0,
        "complete": True,
    } | more


def append(table: Table, *rows: dict[str, Any]) -> None:
    table.append(pa.Table.from_pylist(list(rows), schema=table.schema().as_arrow()))


def where(devices: set[str] | None, minutes: tuple[int, int]) -> Where:
    from_ms, to_ms = (START_MS + minute * MINUTE_MS for minute in minutes)
    return Where("demo", from_ms, to_ms, None if devices is None else frozenset(devices), "window_start")


def plan(table: Table, asked: Where) -> list[FileSpan]:
    snapshot = table.current_snapshot()
    assert snapshot is not None
    return [file.span for file in planned(table, snapshot, asked)]


def found(table: Table, asked: Where, *columns: str) -> list[dict[str, Any]]:
    snapshot = table.current_snapshot()
    assert snapshot is not None
    pieces = list(read_rows(table, snapshot, asked, columns))
    return [one for piece in pieces for one in piece.to_pylist()]


def test_only_files_whose_devices_and_times_may_match_are_planned(table: Table) -> None:
    append(table, *(row(name, minute) for name in ("a", "c") for minute in range(10)))
    append(table, *(row("x", minute) for minute in range(10)))
    append(table, *(row("a", minute) for minute in range(100, 110)))
    early = FileSpan(START_MS, START_MS + 9 * MINUTE_MS, 20)
    assert plan(table, where({"a"}, (0, 50))) == [early]
    # Between the bounds: only reading tells.
    assert plan(table, where({"b"}, (0, 50))) == [early]
    assert plan(table, where({"d"}, (0, 500))) == []
    assert plan(table, where({"d", "w", "z"}, (0, 500))) == []
    assert len(plan(table, where({"c", "x"}, (0, 500)))) == 2
    assert len(plan(table, where(None, (0, 500)))) == 3
    assert plan(table, where({"a"}, (50, 100))) == []
    assert plan(table, where({"a"}, (10, 100))) == []
    assert len(plan(table, where({"a"}, (9, 101)))) == 2
    assert found(table, where({"b"}, (0, 50))) == []


def test_only_row_groups_that_may_match_are_read(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    with table.transaction() as change:
        change.set_properties({"write.parquet.row-group-limit": "10"})
    append(table, *(row(f"d{device}", minute) for device in range(9) for minute in range(10)))
    read: list[int] = []
    original = pq.ParquetFile.read_row_groups

    def noting(self: pq.ParquetFile, groups: list[int], *rest: Any, **more: Any) -> Any:
        read.extend(groups)
        return original(self, groups, *rest, **more)

    monkeypatch.setattr(pq.ParquetFile, "read_row_groups", noting)
    assert [one["device_id"] for one in found(table, where({"d3", "d7"}, (4, 5)))] == ["d3", "d7"]
    assert read == [3, 7]


def test_rows_of_another_tenant_with_the_same_device_are_not_seen(table: Table) -> None:
    append(table, row("a", 1), row("a", 2, tenant="other"))
    assert [one["time_ms"] for one in found(table, where({"a"}, (0, 9)))] == [START_MS + MINUTE_MS]


def test_columns_that_were_renamed_widened_or_added_since_are_read_from_old_files(table: Table) -> None:
    append(table, row("a", 1, revision=3))
    with table.update_schema() as change:
        change.rename_column("max", "greatest")
        change.update_column("revision", LongType())
        change.add_column("note", LongType())
    (one,) = found(table, where({"a"}, (0, 9)), "greatest", "revision", "note")
    assert (one["greatest"], one["revision"], one["note"]) == (1.0, 3, None)


def test_a_file_of_another_engine_that_the_table_took_over_goes_by_its_names(
    table: Table, tmp_path: Path
) -> None:
    stored = pa.Table.from_pylist([row("a", 5)], schema=table.schema().as_arrow())
    plain = stored.cast(pa.schema([field.remove_metadata() for field in stored.schema]))
    pq.write_table(plain, tmp_path / "taken.parquet")
    table.add_files([(tmp_path / "taken.parquet").as_uri()])
    assert [one["max"] for one in found(table, where({"a"}, (0, 9)), "max")] == [5.0]


def test_the_highest_revision_counts_in_whatever_order_they_were_committed(table: Table) -> None:
    append(table, row("a", 2, revision=1, max=20.0), row("a", 1))
    append(table, row("a", 2, max=1.0), row("a", 3))
    append(table, row("a", 3, revision=2, max=30.0), row("a", 3, revision=1, max=3.0))
    snapshot = table.current_snapshot()
    assert snapshot is not None
    (minutes,) = read_minutes(table, snapshot, where({"a"}, (0, 9)), None).values()
    assert minutes.numbers["max"].tolist() == [1.0, 20.0, 30.0]
    assert minutes.start_ms.tolist() == [START_MS + minute * MINUTE_MS for minute in (1, 2, 3)]


def test_footers_are_read_once_whoever_asks(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    append(table, row("a", 1))
    opened: list[Any] = []
    original = pq.read_metadata

    def noting(source: Any) -> Any:
        opened.append(source)
        return original(source)

    monkeypatch.setattr(pq, "read_metadata", noting)
    for _ in range(3):
        assert found(table, where({"a"}, (0, 9)))
    assert len(opened) == 1


def test_a_table_is_parsed_again_only_when_it_changed(lake: SqlCatalog, table: Table) -> None:
    tables = LakeTables(lambda: lake)
    first = tables.load(("iot", "rollups_1m"))
    assert tables.load(("iot", "rollups_1m")) is first
    append(table, row("a", 1))
    second = tables.load(("iot", "rollups_1m"))
    assert second is not first
    assert second.current_snapshot() is not None
