"""Recomputes minutes and panes that late readings touched, and publishes those that differ."""

from collections.abc import Callable
from typing import Final, NamedTuple

import pandas as pd
import pyarrow as pa
from pyiceberg.table import Table

from catalog.filters import joined_spans
from jobs.corrections.lake_reads import counted_readings, published_windows
from jobs.corrections.lake_writes import append
from jobs.corrections.memory import Memory
from jobs.corrections.shares import Share
from udfs.hot_series import KEEP_MS

MINUTE_MS: Final = 60_000
BATCH_MINUTES: Final = 20_000
PutPanes = Callable[[pd.DataFrame], None]


class WindowTables(NamedTuple):
    """Where readings are and windows go."""

    readings: Table
    rollups: Table


class WindowsDone(NamedTuple):
    """One batch: device-minutes looked at, windows that differed, panes written to the hot tier."""

    minutes: int
    windows: int
    panes: int


def correct_next_windows(
    memory: Memory, tables: WindowTables, share: Share, final_ms: int, now_ms: int, put_panes: PutPanes
) -> WindowsDone:
    """Make the newest touched minutes of a share right; 0 minutes when none before `final_ms` is left.

    The lake first, the hot tier next, forgetting last: a crash between them repeats what changes nothing.
    """
    memory.run("next_minutes", **share._asdict(), final_ms=final_ms, batch_size=BATCH_MINUTES)
    minutes = memory.rows_of("minute_batch")
    if not minutes:
        return WindowsDone(0, 0, 0)
    changed = _changed_windows(memory, tables)
    if changed.num_rows:
        append(tables.rollups, changed)
    panes = memory.run("late_panes", kept_since_ms=now_ms - KEEP_MS).fetch_df()
    if len(panes):
        put_panes(panes)
    with memory.whole():
        memory.run("forget_minutes")
        memory.count("windows_corrected", changed.num_rows)
    return WindowsDone(minutes, changed.num_rows, len(panes))


def _changed_windows(memory: Memory, tables: WindowTables) -> pa.Table:
    devices, spans = _place_of(memory)
    memory.give("stored", counted_readings(tables.readings, devices, spans))
    memory.run("recompute_windows")
    memory.give("published", published_windows(tables.rollups, devices, spans))
    return memory.run("changed_windows").to_arrow_table()


def _place_of(memory: Memory) -> tuple[set[str], list[tuple[int, int]]]:
    batch = memory.connection.table("minute_batch")
    devices = {str(row[0]) for row in batch.project("device_id").distinct().fetchall()}
    starts = [int(row[0]) for row in batch.project("minute_ms").distinct().fetchall()]
    return devices, joined_spans([(start, start + MINUTE_MS) for start in starts])
