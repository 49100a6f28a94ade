"""The state trial's oracle: fed its own expectation it finds nothing, and every kind of damage it finds."""

from collections.abc import Callable, Iterator
from itertools import pairwise

import duckdb
import pytest

from bench.disorder import Disorder, Faults
from bench.sent_ledger import SentLedger
from ingest.replay.rows import Record
from tests.oracle.compare import count, dead_letter_differences, sent_differences, session_differences
from tests.oracle.sent import Terms, expect_sent, expect_sessions

pytestmark = pytest.mark.sessions

HOUR_MS = 3_600_000
START_MS = 400_000 * HOUR_MS
FAULTS = Faults(malformed=0.05)
STORED = """
CREATE TABLE actual_readings AS
SELECT device_id, event_id,
  CASE WHEN copy > 0 THEN 'duplicate' WHEN kind = 'late' THEN 'late' ELSE 'on_time' END AS mark
FROM sent_ledger WHERE kind <> 'malformed';
CREATE TABLE actual_sessions AS
SELECT device_id, make_timestamptz(start_ms * 1000) AS session_start,
  make_timestamptz(end_ms * 1000) AS session_end, readings, gaps::INT AS gaps,
  battery_min, battery_max, signal_min, signal_max, 0 AS revision, FALSE AS superseded
FROM expected_sessions;
CREATE TABLE actual_dead_letters AS
SELECT device_id, reason, payload[:262144] AS original FROM sent_ledger WHERE kind = 'malformed';
"""
Differences = Callable[[duckdb.DuckDBPyConnection], list[str]]


def _rows() -> Iterator[Record]:
    for row in range(400):
        for device in ("A", "B"):
            metrics = {"temperature_c": row / 10, "battery_pct": 90.0 - row / 10}
            yield Record(device, row, START_MS + row * HOUR_MS, device, metrics, None, None)


@pytest.fixture(scope="module")
def equal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    """Tables that hold exactly what the ledger of a small trial makes expected."""
    path = tmp_path_factory.mktemp("ledger") / "sent.parquet"
    disorder = Disorder(FAULTS, "", "", lambda recorded_ms: recorded_ms)
    with SentLedger(path) as ledger:
        for chunk in disorder.chunks(_rows(), FAULTS.longest_chunk_ms):
            ledger.add(chunk.flowing)
            ledger.add(chunk.late)
    with duckdb.connect() as connection:
        expect_sent(connection, path)
        terms = {"A": Terms(90 * 60_000, HOUR_MS), "B": Terms(6 * HOUR_MS, HOUR_MS // 2)}
        expect_sessions(connection, "demo", terms)
        connection.execute(STORED)
        yield connection


@pytest.fixture
def stored(equal: duckdb.DuckDBPyConnection) -> Iterator[duckdb.DuckDBPyConnection]:
    """The same tables, free to be damaged: what a test changes is rolled back."""
    equal.begin()
    yield equal
    equal.rollback()


def test_the_trial_holds_what_it_is_to_prove(stored: duckdb.DuckDBPyConnection) -> None:
    kinds = dict(stored.execute("SELECT kind, count(*) FROM sent_ledger GROUP BY 1").fetchall())
    assert min(kinds[kind] for kind in ("plain", "out_of_order", "late", "malformed")) > 20
    assert count(stored, "(FROM sent_ledger WHERE copy > 0)") > 20
    # A malformed reading is a hole: it cuts the sessions of one device and is a gap of the other.
    assert count(stored, "(FROM expected_sessions WHERE device_id = 'A')") > 5
    assert count(stored, "(FROM expected_sessions WHERE device_id = 'B' AND gaps > 5)") == 1


def test_equal_tables_have_no_differences(stored: duckdb.DuckDBPyConnection) -> None:
    assert session_differences(stored) == []
    assert dead_letter_differences(stored) == []
    assert sent_differences(stored) == []


def test_sessions_by_hand(stored: duckdb.DuckDBPyConnection) -> None:
    readings = stored.execute(
        "SELECT event_time_ms FROM expected_readings WHERE device_id = 'A' ORDER BY 1"
    ).fetchall()
    times = [time_ms for (time_ms,) in readings]
    starts = [times[0]] + [b for a, b in pairwise(times) if b - a > 90 * 60_000]
    found = stored.execute(
        "SELECT start_ms FROM expected_sessions WHERE device_id = 'A' ORDER BY 1"
    ).fetchall()
    assert [start_ms for (start_ms,) in found] == starts


def test_a_superseded_session_is_no_session(stored: duckdb.DuckDBPyConnection) -> None:
    stored.execute(
        "INSERT INTO actual_sessions SELECT * REPLACE (session_start + INTERVAL 1 SECOND AS session_start) "
        "FROM actual_sessions LIMIT 1"
    )
    assert session_differences(stored)[0] == "unexpected session: 1 in all"
    stored.execute(
        "INSERT INTO actual_sessions SELECT * REPLACE (1 AS revision, TRUE AS superseded) "
        "FROM actual_sessions WHERE epoch_ms(session_start) % 60000 = 1000"
    )
    assert session_differences(stored) == []


@pytest.mark.parametrize(
    ("damage", "differences", "said"),
    [
        ("DELETE FROM actual_sessions WHERE gaps > 5", session_differences, "missing session: 1"),
        (
            "UPDATE actual_sessions SET device_id = 'C' WHERE gaps > 5",
            session_differences,
            "unexpected session: 1",
        ),
        ("UPDATE actual_sessions SET gaps = gaps + 1 WHERE gaps > 5", session_differences, "session: 1"),
        (
            "UPDATE actual_sessions SET readings = readings + 1 WHERE gaps > 5",
            session_differences,
            "session: 1",
        ),
        ("UPDATE actual_sessions SET battery_min = NULL WHERE gaps > 5", session_differences, "session: 1"),
        (
            "UPDATE actual_sessions SET session_end = session_end + INTERVAL 1 SECOND WHERE gaps > 5",
            session_differences,
            "session: 1",
        ),
        (
            "INSERT INTO actual_sessions FROM actual_sessions WHERE gaps > 5",
            session_differences,
            "session written twice with one revision: 1",
        ),
        (
            "DELETE FROM actual_dead_letters WHERE reason = 'oversize'",
            dead_letter_differences,
            "missing dead letter: 1",
        ),
        (
            "INSERT INTO actual_dead_letters SELECT device_id, 'malformed_json', 'x'::BLOB "
            "FROM actual_dead_letters LIMIT 1",
            dead_letter_differences,
            "unexpected dead letter: 1",
        ),
        (
            "UPDATE actual_dead_letters SET reason = 'malformed_json' WHERE reason = 'oversize'",
            dead_letter_differences,
            "reason: 1",
        ),
        (
            "INSERT INTO actual_dead_letters FROM actual_dead_letters WHERE reason = 'oversize'",
            dead_letter_differences,
            "copies: 1",
        ),
        ("DELETE FROM actual_readings WHERE mark = 'duplicate'", sent_differences, "copies: "),
        ("UPDATE actual_readings SET mark = 'on_time'", sent_differences, "sent late, not marked late: "),
    ],
)
def test_damage_is_found(
    stored: duckdb.DuckDBPyConnection, damage: str, differences: Differences, said: str
) -> None:
    stored.execute(damage)
    assert any(line.startswith(said) for line in differences(stored)), differences(stored)
