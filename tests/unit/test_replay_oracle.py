import ast
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from tests.oracle.compare import count, reading_differences, window_differences
from tests.oracle.expected import Sent, expect, expect_windows

OURS = {"millrace", "udfs", "catalog", "jobs", "ml", "ingest", "api", "bench"}
ORACLE = Path(__file__).resolve().parent.parent / "oracle"
# In order, out of order (older than the row before), and two rows of one time.
RECORDING = """timestamp,value
2014-01-07 02:00:05,32
2014-01-07 02:00:55,212
2014-01-07 02:00:15,50
2014-01-07 02:01:00,68
2014-01-07 02:01:00,86
"""
STORED = """
CREATE TABLE actual_readings AS
SELECT device_id, event_id, make_timestamptz(event_time_ms * 1000) AS event_time,
  map_from_entries([(metric, value)]) AS metrics, {'lat': lat, 'lon': lon} AS "location", attributes,
  0 AS kafka_partition, row_number() OVER () AS kafka_offset, 'on_time' AS mark
FROM expected_readings JOIN expected_points USING (device_id, event_id, event_time_ms);
CREATE TABLE actual_windows AS
SELECT device_id, metric, make_timestamptz(window_start_ms * 1000) AS window_start, min, max, sum, count,
  first_any[1] AS first, last_any[1] AS last, 0 AS revision
FROM expected_windows;
"""


@pytest.fixture(scope="module")
def equal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    """Tables that hold exactly what the oracle expects of a small recording."""
    path = tmp_path_factory.mktemp("recording") / "machine.csv"
    path.write_text(RECORDING)
    with duckdb.connect() as connection:
        expect(connection, "nab", [path], Sent(prefix="p-"))
        expect_windows(connection, 60_000)
        connection.execute(STORED)
        yield connection


@pytest.fixture
def stored(equal: duckdb.DuckDBPyConnection) -> Iterator[duckdb.DuckDBPyConnection]:
    """The same tables, free to be damaged: what a test changes is rolled back."""
    equal.begin()
    yield equal
    equal.rollback()


@pytest.mark.replay
def test_the_oracle_imports_nothing_of_ours() -> None:
    sources = [ast.parse(path.read_text()) for path in ORACLE.rglob("*.py")]
    nodes = [node for source in sources for node in ast.walk(source)]
    imported = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    assert "duckdb" in imported
    assert not {name.split(".")[0] for name in imported} & OURS


@pytest.mark.replay
def test_windows_go_by_event_time_whatever_the_order_of_arrival(stored: duckdb.DuckDBPyConnection) -> None:
    windows = stored.execute(
        "SELECT min, max, sum, count, list_sort(first_any), list_sort(last_any) "
        "FROM expected_windows ORDER BY window_start_ms"
    ).fetchall()
    assert windows == [
        (0.0, 100.0, 110.0, 3, [0.0], [100.0]),
        (20.0, 30.0, 50.0, 2, [20.0, 30.0], [20.0, 30.0]),
    ]


@pytest.mark.replay
def test_equal_tables_have_no_differences(stored: duckdb.DuckDBPyConnection) -> None:
    assert reading_differences(stored) == []
    assert window_differences(stored) == []


@pytest.mark.replay
def test_a_row_marked_duplicate_changes_nothing(stored: duckdb.DuckDBPyConnection) -> None:
    stored.execute(
        "INSERT INTO actual_readings SELECT * REPLACE (99 AS kafka_offset, 'duplicate' AS mark) "
        "FROM actual_readings LIMIT 1"
    )
    assert reading_differences(stored) == []


@pytest.mark.replay
def test_a_corrected_window_counts_by_its_newest_revision(stored: duckdb.DuckDBPyConnection) -> None:
    stored.execute("INSERT INTO actual_windows SELECT * REPLACE (1 AS revision) FROM actual_windows")
    stored.execute("UPDATE actual_windows SET count = 1 WHERE revision = 0")
    assert window_differences(stored) == []


@pytest.mark.replay
@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("INSERT INTO actual_readings FROM actual_readings LIMIT 1", "stored more than once"),
        (
            "INSERT INTO actual_readings SELECT * REPLACE (99 AS kafka_offset) FROM actual_readings LIMIT 1",
            "not exactly one row that is no duplicate",
        ),
        ("DELETE FROM actual_readings WHERE event_id = 'machine:3'", "missing reading: 1"),
        ("UPDATE actual_readings SET mark = 'duplicate' WHERE event_id = 'machine:3'", "missing reading: 1"),
        (
            "UPDATE actual_readings SET event_id = 'x' WHERE event_id = 'machine:3'",
            "unexpected reading: 1",
        ),
        (
            "UPDATE actual_readings SET event_time = event_time + INTERVAL 1 MILLISECOND",
            "event time: 5",
        ),
        ("UPDATE actual_readings SET metrics = MAP {'temperature_c': 1e-8::DOUBLE}", "metric: 5"),
        ("UPDATE actual_readings SET metrics = MAP {'other': 1.0::DOUBLE}", "metric: 10"),
        ("UPDATE actual_readings SET attributes = MAP {'a': 'b'}", "attributes: 5"),
        ("UPDATE actual_readings SET \"location\" = {'lat': 1.0, 'lon': 2.0}", "location: 5"),
    ],
)
def test_a_damaged_reading_is_found(stored: duckdb.DuckDBPyConnection, damage: str, said: str) -> None:
    stored.execute(damage)
    assert any(line.startswith(said) for line in reading_differences(stored))


@pytest.mark.replay
@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("DELETE FROM actual_windows WHERE count = 2", "missing window: 1"),
        ("UPDATE actual_windows SET metric = 'x' WHERE count = 2", "unexpected window: 1"),
        ("INSERT INTO actual_windows FROM actual_windows", "window written twice with one revision: 2"),
        ("UPDATE actual_windows SET min = min + 1e-6", "window: 2"),
        ("UPDATE actual_windows SET max = max * (1 + 1e-8)", "window: 2"),
        ("UPDATE actual_windows SET sum = sum * (1 + 1e-8)", "window: 2"),
        ("UPDATE actual_windows SET count = count + 1", "window: 2"),
        ("UPDATE actual_windows SET first = 50.0", "window: 2"),
        ("UPDATE actual_windows SET last = 10.0", "window: 2"),
    ],
)
def test_a_damaged_window_is_found(stored: duckdb.DuckDBPyConnection, damage: str, said: str) -> None:
    stored.execute(damage)
    assert any(line.startswith(said) for line in window_differences(stored))


@pytest.mark.replay
def test_time_is_shifted_and_compressed_from_the_first_row_sent(tmp_path: Path) -> None:
    path = tmp_path / "machine.csv"
    path.write_text(RECORDING)
    with duckdb.connect() as connection:
        expect(connection, "nab", [path], Sent(tag="t", start_ms=1_000, compress=10, limit=4))
        assert count(connection, "expected_readings") == 4
        times = connection.execute(
            "SELECT event_id, event_time_ms FROM expected_readings ORDER BY 1"
        ).fetchall()
    assert times == [
        ("machine:1~t", 1_000),
        ("machine:2~t", 6_000),
        ("machine:3~t", 2_000),
        ("machine:4~t", 6_500),
    ]


@pytest.mark.replay
def test_readings_without_an_id_are_compared_by_what_they_say(stored: duckdb.DuckDBPyConnection) -> None:
    stored.execute("UPDATE actual_readings SET event_id = 'content-' || md5(event_id)")
    assert reading_differences(stored) != []
    stored.execute("ALTER TABLE actual_readings RENAME TO hidden; CREATE VIEW actual_readings AS FROM hidden")
    stored.execute((ORACLE / "by_content.sql").read_text())
    stored.execute("DROP VIEW actual_readings; CREATE TABLE actual_readings AS FROM named_readings")
    assert reading_differences(stored) == []
    stored.execute("UPDATE actual_readings SET metrics = MAP {'temperature_c': 1e-8::DOUBLE}")
    assert reading_differences(stored) != []
