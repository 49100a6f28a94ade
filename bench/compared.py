"""How far a stack has come with a trial, and its rows against the tables a trial expects."""

import time
from typing import NamedTuple

import duckdb

from bench.stored import stored, stored_panes, stored_readings
from millrace.clock import now_ms
from millrace.settings import Settings
from tests.oracle.compare import count, reading_differences, window_differences
from tests.oracle.expected import expect_windows
from udfs.hot_series import HOUR_MS, PANE_MS, hour_start

MINUTE_MS = 60_000
KEPT_MS = 24 * HOUR_MS
_ONE_LOOK_S = 2.0


class Compared(NamedTuple):
    """How many windows and panes were compared, and every difference of readings, windows and panes."""

    windows: int
    panes: int
    differences: list[str]


def distinct_readings(settings: Settings, connection: duckdb.DuckDBPyConnection, prefix: str) -> int:
    """Return how many readings that are no duplicates iot.readings holds of a trial."""
    connection.register("looked", stored_readings(settings, prefix, "device_id", "event_id", "mark"))
    counted = "mark NOT IN ('duplicate', 'replaced')"
    return count(connection, f"(SELECT DISTINCT device_id, event_id FROM looked WHERE {counted})")


def counted_points(settings: Settings, connection: duckdb.DuckDBPyConnection, prefix: str) -> int:
    """Return how many points the newest revisions of iot.rollups_1m count of a trial."""
    columns = ("device_id", "metric", "window_start", "revision", "count")
    connection.register("looked", stored(settings, "iot.rollups_1m", prefix, *columns))
    row = connection.execute(
        "SELECT coalesce(sum(newest), 0) FROM (SELECT arg_max(count, revision) AS newest "
        "FROM looked GROUP BY device_id, metric, window_start)"
    ).fetchone()
    return int(row[0]) if row else 0


def take_tables(settings: Settings, connection: duckdb.DuckDBPyConnection, prefix: str) -> None:
    """Register `actual_readings` and `actual_windows`, one checkpoint later.

    What comes too much (a repeated row, a wrong correction) comes with the next checkpoint.
    """
    time.sleep(settings.flink.checkpoint_interval_ms / 1000 + _ONE_LOOK_S)
    connection.register("actual_readings", stored_readings(settings, prefix))
    connection.register("actual_windows", stored(settings, "iot.rollups_1m", prefix))


def compare(settings: Settings, connection: duckdb.DuckDBPyConnection) -> Compared:
    """Compare readings, minutes and the panes of the last 24 h with what is expected."""
    differences = [f"iot.readings: {line}" for line in reading_differences(connection)]
    expect_windows(connection, MINUTE_MS)
    differences += [f"iot.rollups_1m: {line}" for line in window_differences(connection)]
    windows = count(connection, "expected_windows")
    return Compared(windows, _compare_panes(settings, connection, differences), differences)


def _compare_panes(settings: Settings, connection: duckdb.DuckDBPyConnection, differences: list[str]) -> int:
    expect_windows(connection, PANE_MS)
    oldest_ms = hour_start(now_ms() - KEPT_MS) + HOUR_MS
    connection.execute("DELETE FROM expected_windows WHERE window_start_ms < ?", [oldest_ms])
    expected = count(connection, "expected_windows")
    if expected:
        connection.unregister("actual_windows")
        connection.register("actual_windows", stored_panes(settings, _expected_series(connection), oldest_ms))
        differences += [f"Redis panes: {line}" for line in window_differences(connection)]
    return expected


def _expected_series(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, str, int]]:
    return connection.execute(
        "SELECT DISTINCT device_id, metric, window_start_ms - window_start_ms % ? FROM expected_windows",
        [HOUR_MS],
    ).fetchall()
