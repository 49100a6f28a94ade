"""Expected sessions of a set of readings, by the definition: sort, cut at long silences, aggregate."""

from typing import Any

import pandas as pd

KEY = ["tenant", "device_id"]
MEASURES = {"battery": "battery_pct", "signal": "signal_dbm"}


def expected_sessions(frame: "pd.DataFrame", offline_after_ms: int, gap_after_ms: int) -> "pd.DataFrame":
    """Return tenant, device_id, session_start, session_end, readings, gaps, battery and signal min and max.

    `frame` holds tenant, device_id, event_id, event_time (epoch milliseconds) and, where it was sent,
    battery_pct and signal_dbm. The first of several rows of one device and event_id counts.
    """
    readings = frame.drop_duplicates([*KEY, "event_id"]).sort_values([*KEY, "event_time"], kind="stable")
    silence = readings.groupby(KEY, sort=False)["event_time"].diff()
    starts = silence.isna() | (silence > offline_after_ms)
    readings = readings.assign(
        number=starts.cumsum(),
        gap=(~starts & (silence > gap_after_ms)).astype("int64"),
        **{column: _measure(readings, column) for column in MEASURES.values()},
    )
    grouped = readings.groupby([*KEY, "number"], sort=False)
    sessions = grouped.agg(
        session_start=("event_time", "min"),
        session_end=("event_time", "max"),
        readings=("event_time", "size"),
        gaps=("gap", "sum"),
        **{f"{name}_{end}": (column, end) for name, column in MEASURES.items() for end in ("min", "max")},
    )
    return (
        sessions.reset_index().drop(columns="number").sort_values([*KEY, "session_start"], ignore_index=True)
    )


def _measure(readings: "pd.DataFrame", column: str) -> Any:
    return readings[column].astype("float64") if column in readings else float("nan")
