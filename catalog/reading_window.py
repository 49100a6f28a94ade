"""Reads all that a few devices sent around a moment from `iot.readings`, at a bounded cost."""

from collections.abc import Iterable
from typing import Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.table import Table
from pyiceberg.table.snapshots import Snapshot

from catalog.marks import LATE, is_counted
from catalog.snapshot_files import StoredFile, Where, planned
from catalog.stored_rows import read_rows
from catalog.table_types import concat_rows
from catalog.time_slices import FileSpan

# Until a table is compacted every checkpoint leaves a file or two: this is an hour of them.
MOST_FILES: Final = 720
MOST_ROWS: Final = 1_000_000
_COLUMNS: Final = ("metrics", "mark")


_SHAPE: Final = pa.schema(
    {
        "device_id": pa.string(),
        "time_ms": pa.int64(),
        "metrics": pa.map_(pa.string(), pa.float64()),
        "mark": pa.string(),
    }
)


class Wanted(NamedTuple):
    """Devices of a tenant in [from_ms, to_ms) of event time; what is nearest to `near_ms` comes first."""

    tenant: str
    device_ids: frozenset[str]
    from_ms: int
    to_ms: int
    near_ms: int


class StoredReading(NamedTuple):
    """A reading as it was stored; `late` came behind the watermark."""

    time_ms: int
    metrics: dict[str, float]
    late: bool


class Commit(NamedTuple):
    """A snapshot of the table, and when the stream committed it, UTC epoch milliseconds."""

    snapshot_id: int
    committed_ms: int


class ReadingWindow(NamedTuple):
    """Rows of the devices in order of event time that count; `whole` = no file was left out."""

    rows: pa.Table
    whole: bool

    def readings(self, device_id: str) -> list[StoredReading]:
        """Return what one device sent, in order of event time."""
        own = self.rows.filter(pc.equal(self.rows["device_id"], device_id))
        columns = (own[name].to_pylist() for name in ("time_ms", "metrics", "mark"))
        return [
            StoredReading(time_ms, dict(metrics or ()), mark == LATE)
            for time_ms, metrics, mark in zip(*columns, strict=True)
        ]

    def points(self, metric: str) -> dict[str, list[tuple[int, float]]]:
        """Return times and values of one metric by device."""
        metrics = self.rows["metrics"]
        values = pc.map_lookup(metrics, pa.scalar(metric, metrics.type.key_type), "first").to_pylist()
        found: dict[str, list[tuple[int, float]]] = {}
        devices, times_ms = (self.rows[name].to_pylist() for name in ("device_id", "time_ms"))
        for device_id, time_ms, value in zip(devices, times_ms, values, strict=True):
            if value is not None:
                found.setdefault(device_id, []).append((time_ms, value))
        return found


def current(table: Table) -> Commit | None:
    """Return the newest commit, None while the table is empty."""
    return _commit(table.current_snapshot())


def as_of(table: Table, time_ms: int) -> Commit | None:
    """Return the commit that was newest at a time; None before the first, or when it is kept no longer."""
    return _commit(table.snapshot_as_of_timestamp(time_ms))


def of_id(table: Table, snapshot_id: int) -> Commit | None:
    """Return a commit that the table still has, or None."""
    return _commit(table.snapshot_by_id(snapshot_id))


def _commit(snapshot: Snapshot | None) -> Commit | None:
    return None if snapshot is None else Commit(snapshot.snapshot_id, snapshot.timestamp_ms)


def read_window(table: Table, commit: Commit, wanted: Wanted) -> ReadingWindow:
    """Read what is wanted from the files nearest to its moment, as many as the bounds allow."""
    snapshot = table.snapshot_by_id(commit.snapshot_id)
    if snapshot is None:
        return ReadingWindow(_rows([]), whole=True)
    where = Where(wanted.tenant, wanted.from_ms, wanted.to_ms, wanted.device_ids)
    found = sorted(planned(table, snapshot, where), key=lambda file: _distance_ms(file.span, wanted.near_ms))
    chosen = _affordable(found)
    return ReadingWindow(
        _rows(read_rows(table, snapshot, where, _COLUMNS, chosen)), whole=len(chosen) == len(found)
    )


def _distance_ms(file: FileSpan, near_ms: int) -> float:
    return max(file.from_ms - near_ms, near_ms - file.until_ms, 0)


def _affordable(files: list[StoredFile]) -> list[StoredFile]:
    chosen: list[StoredFile] = []
    rows = 0
    for file in files[:MOST_FILES]:
        rows += file.span.rows
        if chosen and rows > MOST_ROWS:
            break
        chosen.append(file)
    return chosen


def _rows(pieces: Iterable[pa.Table]) -> pa.Table:
    rows = concat_rows(pieces, _SHAPE)
    return rows.filter(is_counted(rows["mark"])).sort_by("time_ms")
