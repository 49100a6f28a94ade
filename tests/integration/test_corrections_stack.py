"""On a running stack: a reading behind the watermark is counted in the end, everywhere people look."""

from typing import Any
from uuid import uuid4

import pytest

from millrace.clock import now_ms
from millrace.settings import Settings
from tests.integration.streaming import lake_rows, millrace, redis_panes, send, until

pytestmark = [pytest.mark.integration, pytest.mark.sessions, pytest.mark.timeout(420)]

MINUTE_MS = 60_000
CLOSE_S = 200
CORRECTED_S = 120


def reading(device_id: str, event_id: str, time_ms: int, value: float) -> dict[str, Any]:
    return {"device_id": device_id, "event_id": event_id, "event_time": time_ms, "metrics": {"t_c": value}}


def highest(stack: Settings, table: str, device_id: str, key: str) -> list[dict[str, Any]]:
    rows = sorted(lake_rows(stack, table, device_id), key=lambda row: int(row["revision"]))
    return list({row[key]: row for row in rows}.values())


def test_a_late_reading_is_corrected_in_lake_and_redis(stack: Settings) -> None:
    device_id, start = f"late-{uuid4().hex[:8]}", now_ms() // MINUTE_MS * MINUTE_MS - 30 * MINUTE_MS
    send(stack, reading(device_id, "a", start + 1_000, 1.0), reading(device_id, "b", now_ms(), 5.0))
    until(lambda: len(lake_rows(stack, "rollups_1m", device_id)), lambda rows: rows >= 2, CLOSE_S)
    before = millrace("corrections")["late_readings"]
    # The watermark has passed both minutes by now: a copy, and one nobody has seen.
    send(stack, reading(device_id, "a", start + 1_000, 1.0), reading(device_id, "c", start + 2_000, 3.0))
    windows = until(
        lambda: highest(stack, "rollups_1m", device_id, "window_start"),
        lambda rows: [row["count"] for row in rows if row["sum"] == 4.0] == [2],
        CORRECTED_S,
    )
    corrected = next(row for row in windows if row["sum"] == 4.0)
    assert (corrected["first"], corrected["last"], corrected["complete"]) == (1.0, 3.0, True)
    assert corrected["late_count"] >= 1
    panes = until(
        lambda: redis_panes(stack, device_id, "t_c", start),
        lambda found: any(pane.readings == 2 for pane in found),
        CORRECTED_S,
    )
    assert [pane[1:] for pane in panes if pane.start_ms == start] == [(2, 1.0, 3.0, 4.0, 1.0, 3.0)]
    assert millrace("corrections")["late_readings"] > before


def test_a_session_a_late_reading_joins_is_told_anew(stack: Settings) -> None:
    device_id, start = f"join-{uuid4().hex[:8]}", now_ms() - 20 * MINUTE_MS
    # Two sessions, 100 s apart: more than offline_after, 60 s for a device nobody registered.
    send(stack, reading(device_id, "a", start, 1.0), reading(device_id, "b", start + 100_000, 1.0))
    send(stack, reading(device_id, "now", now_ms(), 1.0))
    until(lambda: len(lake_rows(stack, "sessions", device_id)), lambda rows: rows >= 3, CLOSE_S)
    send(stack, reading(device_id, "c", start + 50_000, 1.0))
    standing = until(
        lambda: [
            row
            for row in highest(stack, "sessions", device_id, "session_start")
            if not row["superseded"] and row["readings"] == 3
        ],
        lambda rows: len(rows) == 1,
        CORRECTED_S,
    )
    length = standing[0]["session_end"] - standing[0]["session_start"]
    assert length.total_seconds() == 100.0
    assert min(standing[0]["late_count"], standing[0]["revision"]) >= 1
