"""Minutes computed anew from readings of both tiers, and how they differ from those published."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.expressions import AlwaysFalse, BooleanExpression, EqualTo, In, Or
from pyiceberg.table import Table

from catalog.filters import every, moment, predicate
from jobs.corrections.lake_reads import counted_readings, published_windows
from jobs.corrections.memory import Memory
from jobs.recompute.asked import DAY_MS, Asked, pieces
from jobs.recompute.statements import statement


class WindowSources(NamedTuple):
    """Where readings are, in both tiers, and where windows go."""

    readings: Table
    rollups: Table


class WindowChanges(NamedTuple):
    """What differs in a piece: rows to be published, windows without readings, panes for the hot tier."""

    changed: pa.Table
    gone: pa.Table
    panes: pd.DataFrame


class DayDifference(NamedTuple):
    """How many windows of a device and day are new, other than published, or without readings."""

    device_id: str
    day_ms: int
    added: int
    changed: int
    gone: int


def window_changes(
    memory: Memory, sources: WindowSources, asked: Asked, kept_since_ms: int
) -> Iterator[WindowChanges]:
    """Yield what differs, piece by piece; panes are those that start at `kept_since_ms` or later."""
    for piece in pieces(asked):
        yield _changes(memory, sources, piece, kept_since_ms)


def _changes(memory: Memory, sources: WindowSources, piece: Asked, kept_since_ms: int) -> WindowChanges:
    _set(memory, tenant=piece.tenant, devices=list(piece.devices), from_ms=piece.from_ms, to_ms=piece.to_ms)
    memory.connection.execute(statement("piece_minutes"))
    span = [(piece.from_ms, piece.to_ms)]
    memory.give("stored", counted_readings(sources.readings, piece.devices, span))
    memory.run("recompute_windows")
    # It is looked through twice.
    memory.give("published", published_windows(sources.rollups, piece.devices, span).read_all())
    changed = memory.run("changed_windows").to_arrow_table()
    gone = memory.connection.execute(statement("gone_windows")).to_arrow_table()
    memory.give("changed", changed)
    _set(memory, kept_since_ms=kept_since_ms)
    panes = memory.connection.execute(statement("changed_panes")).fetch_df()
    return WindowChanges(changed, gone, panes)


def _set(memory: Memory, **variables: Any) -> None:
    for name, value in variables.items():
        memory.connection.execute(f"SET VARIABLE {name} = ?", [value])


class Tally:
    """Counts what differs by device and day."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, int], list[int]] = {}

    def take(self, one: WindowChanges) -> None:
        """Count what differs in a piece."""
        days = pc.cast(one.changed["window_start"], pa.int64()).to_numpy() // (1_000 * DAY_MS)
        columns = (one.changed["device_id"].to_pylist(), days.tolist(), one.changed["revision"].to_pylist())
        for device, day, revision in zip(*columns, strict=True):
            self._of(device, day)[revision > 0] += 1
        for row in one.gone.to_pylist():
            self._of(row["device_id"], row["minute_ms"] // DAY_MS)[2] += 1

    def _of(self, device: str, day: int) -> list[int]:
        return self._counts.setdefault((device, day), [0, 0, 0])

    def differences(self) -> list[DayDifference]:
        """Return what was counted."""
        counts = sorted(self._counts.items())
        return [DayDifference(device, day * DAY_MS, *found) for (device, day), found in counts]


def windows_at(gone: pa.Table) -> BooleanExpression:
    """Return the condition that holds for exactly these windows."""
    starts: dict[tuple[str, str, str], set[str]] = {}
    for row in gone.to_pylist():
        key = (row["tenant"], row["device_id"], row["metric"])
        starts.setdefault(key, set()).add(moment(row["minute_ms"]))
    found: BooleanExpression = AlwaysFalse()
    for key, moments in starts.items():
        names = zip(("tenant", "device_id", "metric"), key, strict=True)
        terms = [predicate(EqualTo, name, value) for name, value in names]
        found = Or(found, every([*terms, predicate(In, "window_start", moments)]))
    return found
