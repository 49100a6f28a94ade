"""Expected readings, points, sessions and dead letters from the ledger of what was sent, and nothing else."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import duckdb
import pandas as pd

from tests.oracle.sessions import expected_sessions

HERE = Path(__file__).resolve().parent
SHORTEST_GAP_MS = 10_000


class Terms(NamedTuple):
    """By what the sessions of a device are cut; milliseconds."""

    offline_after_ms: int
    expected_interval_ms: int

    @property
    def gap_after_ms(self) -> int:
        """The longest silence that is no gap."""
        return max(2 * self.expected_interval_ms, SHORTEST_GAP_MS)


def expect_sent(connection: duckdb.DuckDBPyConnection, ledger: Path) -> None:
    """Make the tables `expected_readings`, `expected_points` and `expected_dead_letters`."""
    connection.execute("SET VARIABLE ledger = ?", [str(ledger)])
    connection.execute("CREATE OR REPLACE TABLE sent_ledger AS FROM read_parquet(getvariable('ledger'))")
    connection.execute((HERE / "sent.sql").read_text())


def expect_sessions(connection: duckdb.DuckDBPyConnection, tenant: str, terms: Mapping[str, Terms]) -> None:
    """Make the table `expected_sessions` of the devices `terms` names."""
    frames = [_sessions(connection, tenant, device_id, found) for device_id, found in terms.items()]
    connection.register("sessions_frame", pd.concat(frames, ignore_index=True))
    measures = ("battery_min", "battery_max", "signal_min", "signal_max")
    kept = ", ".join(f"CASE WHEN NOT isnan({name}) THEN {name} END AS {name}" for name in measures)
    connection.execute(
        "CREATE OR REPLACE TABLE expected_sessions AS SELECT device_id, session_start AS start_ms, "
        f"session_end AS end_ms, readings, gaps, {kept} FROM sessions_frame"
    )
    connection.unregister("sessions_frame")


def _sessions(
    connection: duckdb.DuckDBPyConnection, tenant: str, device_id: str, terms: Terms
) -> pd.DataFrame:
    sent = connection.execute(
        "SELECT $1 AS tenant, device_id, event_id, event_time_ms AS event_time, "
        "metrics['battery_pct'] AS battery_pct, metrics['signal_dbm'] AS signal_dbm "
        "FROM expected_readings WHERE device_id = $2",
        [tenant, device_id],
    ).df()
    return expected_sessions(sent, terms.offline_after_ms, terms.gap_after_ms)
