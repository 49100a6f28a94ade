"""Pages of dead letters from a real Iceberg table, whatever the order they came in."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import pyarrow as pa
import pytest
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.table import Table

from catalog.ddl import read_table
from catalog.dead_letter_rows import PREVIEW_BYTES, Count, DeadLetter, Selection
from catalog.dead_letters import load, newest, summary
from millrace.contracts import SCHEMAS

pytestmark = [pytest.mark.integration, pytest.mark.sessions]

START_MS = 1_767_225_600_000
HOUR_MS = 3_600_000
ALL = Selection("demo", True, START_MS - 24 * HOUR_MS, START_MS + 24 * HOUR_MS)


@pytest.fixture
def table(tmp_path: Path) -> Iterator[Table]:
    place = {"uri": f"sqlite:///{tmp_path}/catalog.db", "warehouse": tmp_path.as_uri()}
    catalog = SqlCatalog("lake", **place)
    catalog.create_namespace("iot")
    wanted = read_table(SCHEMAS / "tables" / "dead_letters.sql")
    made = catalog.create_table(
        wanted.name, wanted.schema, partition_spec=wanted.partitions, properties=wanted.properties
    )
    yield made
    catalog.close()


def letter(offset: int, at_ms: int, partition: int = 0, **more: Any) -> dict[str, Any]:
    return {
        "dead_letter_id": f"{partition}-{offset}",
        "reason": "not_utf8",
        "detail": "byte 0",
        "tenant": "demo",
        "device_id": "d1",
        "address": "/v1/telemetry",
        "received_at": datetime.fromtimestamp((START_MS + at_ms) / 1000, UTC),
        "source": "http",
        "original": b"\xff" * (offset + 1),
        "kafka_partition": partition,
        "kafka_offset": offset,
    } | more


def commit(table: Table, *letters: dict[str, Any]) -> None:
    table.append(pa.Table.from_pylist(list(letters), schema=table.schema().as_arrow()))


def ids(letters: list[DeadLetter]) -> list[str]:
    return [letter.dead_letter_id for letter in letters]


def walk(table: Table, wanted: Selection, limit: int) -> list[str]:
    found, after = list[str](), None
    while page := newest(table, wanted, limit, after):
        found += ids(page)
        after = page[-1].place
    return found


def fill(table: Table) -> None:
    """Commit in an order that is not that of time: late, out of order, twice the same time and bytes."""
    commit(table, letter(0, 1_000), letter(1, 5_000), letter(0, 5_000, partition=1))
    commit(table, letter(2, -6 * HOUR_MS), letter(3, 4_000))
    commit(
        table, letter(4, 5_000), letter(5, 9_000, tenant=None, device_id=None), letter(6, 8_000, tenant="o")
    )


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_a_walk_shows_each_letter_once_newest_first(table: Table, limit: int) -> None:
    fill(table)
    assert walk(table, ALL, limit) == ["0-5", "1-0", "0-4", "0-1", "0-3", "0-0", "0-2"]


def test_another_tenants_letters_and_nobodys_are_shown_to_those_who_may_see_them(table: Table) -> None:
    fill(table)
    assert walk(table, ALL._replace(nobodys=False), 2) == ["1-0", "0-4", "0-1", "0-3", "0-0", "0-2"]
    assert walk(table, ALL._replace(tenant="o", nobodys=False), 2) == ["0-6"]


def test_the_end_of_a_range_is_outside_and_its_start_inside(table: Table) -> None:
    fill(table)
    wanted = ALL._replace(from_ms=START_MS + 1_000, to_ms=START_MS + 5_000)
    assert walk(table, wanted, 10) == ["0-3", "0-0"]


def test_a_page_reads_no_older_file_than_it_needs(table: Table) -> None:
    commit(table, letter(0, 0))
    oldest = {row["file_path"] for row in table.inspect.files().to_pylist()}
    commit(table, letter(1, 60_000))
    commit(table, letter(2, 120_000))
    for path in oldest:
        Path(urlparse(path).path).unlink()
    assert ids(newest(table, ALL, 2)) == ["0-2", "0-1"]
    with pytest.raises(FileNotFoundError):
        newest(table, ALL, 3)


def test_pages_carry_beginnings_and_a_letter_its_whole_body(table: Table) -> None:
    commit(table, letter(999, 0))
    (shown,) = newest(table, ALL, 5)
    assert (len(shown.original), shown.size_bytes) == (PREVIEW_BYTES, 1_000)
    (whole,) = load(table, [(0, 999), (0, 998), (7, 0)])
    assert (len(whole.original), whole.size_bytes) == (1_000, 1_000)
    assert load(table, []) == []


def test_five_hundred_letters_are_loaded_by_their_places(table: Table) -> None:
    commit(table, *(letter(offset, offset, partition=offset % 2) for offset in range(600)))
    found = load(table, [(offset % 2, offset) for offset in range(500)])
    assert sorted(found_letter.kafka_offset for found_letter in found) == list(range(500))


def test_counts_are_by_reason_and_source_the_most_frequent_first(table: Table) -> None:
    commit(table, letter(0, 0), letter(1, 1, source="mqtt"), letter(2, 2, source="mqtt"))
    commit(table, letter(3, 3, reason="oversize"), letter(4, 4, source="mqtt"))
    assert summary(table, ALL) == [
        Count("not_utf8", "mqtt", 3),
        Count("not_utf8", "http", 1),
        Count("oversize", "http", 1),
    ]
    assert summary(table, ALL._replace(reason="oversize")) == [Count("oversize", "http", 1)]
    assert summary(table, ALL._replace(device_id="nobody")) == []


def test_an_empty_table_has_an_empty_page(table: Table) -> None:
    assert (newest(table, ALL, 5), summary(table, ALL), load(table, [(0, 0)])) == ([], [], [])
