"""Changes marks of rows of iot.readings and its archive: files are written anew and swapped in one commit.

Flink appends beside it, compaction and tiering take turns with it: whoever finds a file gone begins again.
"""

import logging
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.exceptions import CommitFailedException, ValidationException
from pyiceberg.expressions import AlwaysTrue
from pyiceberg.io.pyarrow import ArrowScan
from pyiceberg.manifest import DataFile
from pyiceberg.table import FileScanTask, Table
from pyiceberg.table.snapshots import Operation

from catalog.archive import load_archive, pending_move
from catalog.filters import every, joined_spans, of_devices, within_spans
from catalog.maintenance.replacing import WRITER, Swap, commit
from catalog.maintenance.rewriting import Look, discard, rewrite

_log = logging.getLogger("millrace.marks")
# What a snapshot of changed marks says of itself: the ledger takes the difference from it.
MARKS_WRITER: Final = "marks"
_ROUNDS: Final = 10
_ROWS_AT_ONCE: Final = 500_000
_FILES_AT_ONCE: Final = 256
_MINUTE_MS: Final = 60_000
# Offsets of a partition stay below 2^48.
_PARTITION_BITS: Final = 48
Places = npt.NDArray[np.int64]


def remark(readings: Table, changes: pa.Table) -> int:
    """Give rows their new marks in both tiers; return how many files were written anew.

    `changes` holds device_id, event_time_ms, kafka_partition, kafka_offset and mark. CommitFailedException
    when others keep winning, or while rows are half moved to the archive.
    """
    archive = load_archive(readings)
    tables = [readings] if archive is None else [readings, archive]
    return sum(_remark(table, changes) for table in tables)


def _remark(table: Table, changes: pa.Table) -> int:
    written = 0
    for _ in range(_ROUNDS):
        table.refresh()
        if pending_move(table):
            raise CommitFailedException("rows are half moved to the archive")
        found = list(_files(table, changes))
        if not found:
            return written
        for group in _groups(found):
            if not _rewritten(table, group, changes):
                break
            written += len(group)
    raise CommitFailedException(f"others kept changing files of {'.'.join(table.name())}")


def _files(table: Table, changes: pa.Table) -> Iterator[DataFile]:
    """Yield the files that hold rows with another mark than they should have."""
    minutes = pc.unique(pc.floor(pc.divide(changes["event_time_ms"].cast(pa.float64()), _MINUTE_MS)))
    starts = [int(minute) * _MINUTE_MS for minute in minutes.to_pylist()]
    spans = joined_spans([(start, start + _MINUTE_MS) for start in starts])
    devices = set(pc.unique(changes["device_id"]).to_pylist())
    condition = every([within_spans("event_time", spans), of_devices(devices)])
    schema = table.schema().select("kafka_partition", "kafka_offset", "mark")
    reader = ArrowScan(table.metadata, table.io, schema, AlwaysTrue())
    for task in table.scan(row_filter=condition).plan_files():
        rows = reader.to_table([FileScanTask(task.file)])
        if _new_marks(rows, changes) is not None:
            yield task.file


def _groups(files: Sequence[DataFile]) -> Iterator[list[DataFile]]:
    def place(file: DataFile) -> tuple[int, str]:
        return file.spec_id, str(file.partition)

    for _, partition in groupby(sorted(files, key=place), key=place):
        group: list[DataFile] = []
        for file in partition:
            rows = sum(one.record_count for one in group)
            if group and (rows + file.record_count > _ROWS_AT_ONCE or len(group) >= _FILES_AT_ONCE):
                yield group
                group = []
            group.append(file)
        yield group


def _rewritten(table: Table, group: list[DataFile], changes: pa.Table) -> bool:
    def change(rows: pa.Table) -> pa.Table:
        marks = _new_marks(rows, changes)
        if marks is None:
            return rows
        place = rows.schema.get_field_index("mark")
        return rows.set_column(place, rows.schema.field(place), marks.cast(rows.schema.field(place).type))

    new: DataFile | None = None
    try:
        new = rewrite(table, group, Look({}), change=change)
        commit(table, Swap(group, [_whole(new, group)], Operation.OVERWRITE, {WRITER: MARKS_WRITER}))
    except (FileNotFoundError, CommitFailedException, ValidationException) as error:
        _log.info("others were first, looked at again: %s", error)
        if new is not None:
            discard(table, new.file_path)
        return False
    return True


def _whole(new: DataFile | None, group: Sequence[DataFile]) -> DataFile:
    if new is None or new.record_count != sum(file.record_count for file in group):
        raise ValidationException("the new file would not hold all rows of those it stands for")
    return new


def _new_marks(rows: pa.Table, changes: pa.Table) -> pa.Array | None:
    """Return the marks of rows as they should be; None when they are so already."""
    wanted, places = _places(changes), _places(rows)
    order = np.argsort(wanted)
    at = np.minimum(np.searchsorted(wanted, places, sorter=order), len(wanted) - 1)
    hits = wanted[order[at]] == places
    if not hits.any():
        return None
    old = rows["mark"].cast(pa.string()).combine_chunks()
    chosen = changes["mark"].cast(pa.string()).combine_chunks().take(pa.array(order[at]))
    new = pc.if_else(pa.array(hits), chosen, old)
    return None if new.equals(old) else new


def _places(rows: pa.Table) -> Places:
    partition, offset = (
        rows[name].cast(pa.int64()).to_numpy() for name in ("kafka_partition", "kafka_offset")
    )
    found: Places = (partition << _PARTITION_BITS) + offset
    return found
