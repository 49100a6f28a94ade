"""Row-by-row comparison of what is stored with what is expected; keys exactly, values to 1e-9."""

from pathlib import Path

import duckdb

HERE = Path(__file__).resolve().parent
SHOWN = 10


def reading_differences(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Compare `actual_readings` (columns of iot.readings) with `expected_readings`; empty means equal."""
    connection.execute(
        "CREATE OR REPLACE VIEW actual_readings_ms AS "
        "SELECT *, epoch_ms(event_time) AS event_time_ms FROM actual_readings"
    )
    return _differences(connection, "readings.sql", "reading_differences")


def window_differences(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Compare `actual_windows` (columns of iot.rollups_1m) with `expected_windows`; empty means equal."""
    return _differences(connection, "rollups.sql", "window_differences")


def session_differences(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Compare `actual_sessions` (columns of iot.sessions) with `expected_sessions`; empty means equal."""
    return _differences(connection, "stored_sessions.sql", "session_differences")


def dead_letter_differences(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Compare `actual_dead_letters` (device_id, reason, original) with `expected_dead_letters`."""
    return _differences(connection, "dead_letters.sql", "dead_letter_differences")


def sent_differences(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Compare copies and lateness of `actual_readings` with the ledger they were expected from."""
    return _differences(connection, "sent_differences.sql", "sent_differences")


def count(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    """Return the number of rows of a table."""
    row = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
    return int(row[0]) if row else 0


def _differences(connection: duckdb.DuckDBPyConnection, file: str, view: str) -> list[str]:
    for name in ("compare.sql", file):
        connection.execute((HERE / name).read_text())
    connection.execute(f"CREATE OR REPLACE TEMP TABLE found_differences AS FROM {view}")
    totals = connection.execute(
        "SELECT what, count(*) FROM found_differences GROUP BY what ORDER BY what"
    ).fetchall()
    lines = [f"{what}: {number} in all" for what, number in totals]
    rows = connection.execute(f"FROM found_differences ORDER BY what, place LIMIT {SHOWN}").fetchall()
    return lines + [f"  {what} {place}: expected {wanted}, found {got}" for what, place, wanted, got in rows]
