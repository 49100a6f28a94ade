"""Rows of a table that are new since a snapshot, a bounded number of files at a time."""

from collections.abc import Iterable, Iterator
from itertools import takewhile

import pyarrow as pa
from pyiceberg.expressions import AlwaysTrue, BooleanExpression
from pyiceberg.expressions.parser import parse
from pyiceberg.io.pyarrow import ArrowScan
from pyiceberg.manifest import DataFile, ManifestEntryStatus
from pyiceberg.table import FileScanTask, Table
from pyiceberg.table.snapshots import Operation, Snapshot

from catalog.archive import MOVE, archived_tasks, both
from catalog.maintenance.replacing import WRITER
from catalog.remarking import MARKS_WRITER
from catalog.table_types import arrow_schema, concat_rows
from millrace.clock import to_iso

# PyIceberg reads all files it is given at once, ahead of who consumes them.
_ROWS_AT_ONCE = 500_000
_KEEPS_ROWS = (Operation.APPEND, Operation.REPLACE)
_ALL = AlwaysTrue()


def snapshot_of(table: Table) -> int:
    """Return the id of the newest snapshot, 0 before the first."""
    snapshot = table.current_snapshot()
    return snapshot.snapshot_id if snapshot else 0


def only_grew(table: Table, since: int) -> bool:
    """Tell whether all commits after snapshot `since` (0: the beginning) kept all rows there were.

    Appends do, and files written anew, rows that moved to the archive, and changed marks (`remarked_rows`).
    """
    if not since:
        return True
    for snapshot in _back_from_now(table):
        if snapshot.snapshot_id == since:
            return True
        if not _keeps_rows(snapshot):
            return False
    return False


def _keeps_rows(snapshot: Snapshot) -> bool:
    summary = snapshot.summary
    return summary is not None and (
        summary.operation in _KEEPS_ROWS or summary[MOVE] is not None or summary[WRITER] == MARKS_WRITER
    )


def _back_from_now(table: Table) -> Iterator[Snapshot]:
    snapshot = table.current_snapshot()
    while snapshot:
        yield snapshot
        parent = snapshot.parent_snapshot_id
        snapshot = table.snapshot_by_id(parent) if parent else None


def new_rows(table: Table, since: int, columns: tuple[str, ...]) -> Iterator[pa.Table]:
    """Yield what was appended after snapshot `since`, or all of it (0), some files at a time.

    All of `iot.readings` is also what moved to the archive; the table is refreshed to fit it.
    """
    if since:
        scan = table.incremental_append_scan(from_snapshot_id_exclusive=since)
        yield from _read(table, [] if snapshot_of(table) == since else scan.plan_files(), columns, _ALL)
        return
    found = both(table)
    if found:
        yield from _read(found.archive, archived_tasks(found, _ALL), columns, _ALL)
    yield from _read(table, table.scan().plan_files(), columns, _ALL)


def remarked_rows(table: Table, since: int, columns: tuple[str, ...]) -> Iterator[tuple[pa.Table, pa.Table]]:
    """Yield, for each commit after snapshot `since` (0: all) that changed marks, rows as they were and are.

    FileNotFoundError when the files of then are gone; `only_grew` said that the commits are known.
    """
    snapshots = list(takewhile(lambda one: one.snapshot_id != since, _back_from_now(table)))
    for snapshot in reversed(snapshots):
        if snapshot.summary is not None and snapshot.summary[WRITER] == MARKS_WRITER:
            gone, new = _swapped(table, snapshot)
            yield from zip(_rows(table, gone, columns), _rows(table, new, columns), strict=True)


def _swapped(table: Table, snapshot: Snapshot) -> tuple[list[DataFile], list[DataFile]]:
    entries = [
        entry
        for manifest in snapshot.manifests(table.io)
        if manifest.added_snapshot_id == snapshot.snapshot_id
        for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=False)
        if entry.snapshot_id == snapshot.snapshot_id
    ]
    gone = [entry.data_file for entry in entries if entry.status == ManifestEntryStatus.DELETED]
    return gone, [entry.data_file for entry in entries if entry.status == ManifestEntryStatus.ADDED]


def _rows(table: Table, files: list[DataFile], columns: tuple[str, ...]) -> Iterator[pa.Table]:
    """Yield all rows of some files as one table: of one commit they are few."""
    rows = _read(table, [FileScanTask(file) for file in files], columns, _ALL)
    yield concat_rows(rows, arrow_schema(table.schema().select(*columns)))


def rows_where(table: Table, condition: str, columns: tuple[str, ...]) -> Iterator[pa.Table]:
    """Yield the rows that fulfil a condition, some files at a time; files are pruned by their statistics."""
    wanted = parse(condition)
    found = both(table)
    if found:
        yield from _read(found.archive, archived_tasks(found, wanted), columns, wanted)
    yield from _read(table, table.scan(row_filter=wanted).plan_files(), columns, wanted)


def table_where(table: Table, condition: str, columns: tuple[str, ...]) -> pa.Table:
    """Return the rows that fulfil a condition as one table."""
    wanted = arrow_schema(table.schema().select(*columns))
    return concat_rows(rows_where(table, condition, columns), wanted)


def within(column: str, first_minute: int, last_minute: int) -> str:
    """Return the condition that a time lies in these minutes since 1970, both included."""
    begin, end = moment(first_minute * 60_000), moment((last_minute + 1) * 60_000)
    return f"{column} >= '{begin}' AND {column} < '{end}'"


def moment(time_ms: int) -> str:
    """Return a time as a condition names it."""
    return to_iso(time_ms).replace("Z", "+00:00")


def _read(
    table: Table, tasks: Iterable[FileScanTask], columns: tuple[str, ...], condition: BooleanExpression
) -> Iterator[pa.Table]:
    schema = table.schema().select(*columns)
    for group in _groups(tasks):
        batches = list(ArrowScan(table.metadata, table.io, schema, condition).to_record_batches(group))
        if batches:
            yield concat_rows(batches, arrow_schema(schema))


def _groups(tasks: Iterable[FileScanTask]) -> Iterator[list[FileScanTask]]:
    group: list[FileScanTask] = []
    for task in tasks:
        group.append(task)
        if sum(one.file.record_count for one in group) >= _ROWS_AT_ONCE:
            yield group
            group = []
    if group:
        yield group
