"""Reads `iot.dead_letters`: pages, counts and single letters, each from as few files as it takes."""

from collections import Counter
from collections.abc import Collection, Iterator
from functools import reduce
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.conversions import from_bytes
from pyiceberg.expressions import (
    BooleanExpression,
    EqualTo,
    GreaterThanOrEqual,
    In,
    IsNull,
    LessThan,
    LessThanOrEqual,
    Or,
)
from pyiceberg.io.pyarrow import ArrowScan
from pyiceberg.table import DataScan, FileScanTask, Table
from pyiceberg.types import TimestamptzType

from catalog.dead_letter_rows import PREVIEW_BYTES, Count, DeadLetter, Place, Selection
from catalog.filters import every, moment, predicate
from catalog.table_types import arrow_schema, concat_rows, to_table_types

_ORDER = [("received_at", "descending"), ("kafka_partition", "descending"), ("kafka_offset", "descending")]
_COLUMNS = (
    "dead_letter_id", "reason", "detail", "tenant", "device_id", "address", "received_at", "source",
    "kafka_partition", "kafka_offset", "original", "size_bytes",
)  # fmt: skip


def newest(table: Table, wanted: Selection, limit: int, after: Place | None = None) -> list[DeadLetter]:
    """Return up to `limit` letters, newest first, that follow `after`; bodies are cut to PREVIEW_BYTES.

    Files are read newest first, and no further than the page needs.
    """
    scan = table.scan(row_filter=_filter(wanted, after))
    field_id = table.schema().find_field("received_at").field_id
    best: pa.Table | None = None
    for task in sorted(scan.plan_files(), key=lambda file: -_newest_us(file, field_id)):
        if best is not None and len(best) == limit and _newest_us(task, field_id) < _oldest_us(best):
            break
        for batch in _batches(scan, task):
            rows = _sized(batch, PREVIEW_BYTES)
            best = _top(best, _behind(rows, after) if after else rows, limit)
    return [] if best is None else _letters(best)


def load(table: Table, ids: Collection[tuple[int, int]]) -> list[DeadLetter]:
    """Return the letters of these partitions and offsets with their whole bodies, in no special order."""
    offsets: dict[int, list[int]] = {}
    for partition, offset in ids:
        offsets.setdefault(partition, []).append(offset)
    if not offsets:
        return []
    scan = table.scan(row_filter=reduce(Or, (_at(p, numbers) for p, numbers in offsets.items())))
    return [letter for batch in scan.to_arrow_batch_reader() for letter in _letters(_sized(batch, None))]


def summary(table: Table, wanted: Selection) -> list[Count]:
    """Count letters by reason and source, the most frequent first."""
    scan = table.scan(row_filter=_filter(wanted, None), selected_fields=("reason", "source"))
    found: Counter[tuple[str, str]] = Counter()
    for batch in scan.to_arrow_batch_reader():
        groups = pa.table(batch).group_by(["reason", "source"]).aggregate([([], "count_all")])
        for row in groups.to_pylist():
            found[row["reason"], row["source"]] += row["count_all"]
    return [Count(*key, letters) for key, letters in sorted(found.items(), key=lambda e: (-e[1], e[0]))]


def _at(partition: int, offsets: list[int]) -> BooleanExpression:
    # The bounds prune files however many offsets there are; In stops pruning at 200.
    return every(
        [
            predicate(EqualTo, "kafka_partition", partition),
            predicate(GreaterThanOrEqual, "kafka_offset", min(offsets)),
            predicate(LessThanOrEqual, "kafka_offset", max(offsets)),
            predicate(In, "kafka_offset", offsets),
        ]
    )


def _filter(wanted: Selection, after: Place | None) -> BooleanExpression:
    equal = {"reason": wanted.reason, "device_id": wanted.device_id, "source": wanted.source}
    terms = [predicate(EqualTo, name, value) for name, value in equal.items() if value is not None]
    terms += [
        _owner(wanted),
        predicate(GreaterThanOrEqual, "received_at", moment(wanted.from_ms)),
        predicate(LessThan, "received_at", moment(wanted.to_ms)),
    ]
    if after:
        terms.append(predicate(LessThanOrEqual, "received_at", moment(after.received_at_ms)))
    return every(terms)


def _owner(wanted: Selection) -> BooleanExpression:
    owner = predicate(EqualTo, "tenant", wanted.tenant)
    nobody: Any = IsNull
    return Or(owner, nobody("tenant")) if wanted.nobodys else owner


def _newest_us(task: FileScanTask, field_id: int) -> float:
    # A file that does not say how new it is might hold the newest.
    bounds = task.file.upper_bounds or {}
    return float(from_bytes(TimestamptzType(), bounds[field_id])) if field_id in bounds else float("inf")


def _batches(scan: DataScan, task: FileScanTask) -> Iterator[pa.Table]:
    reader = ArrowScan(scan.table_metadata, scan.io, scan.projection(), scan.row_filter)
    wanted = arrow_schema(scan.projection())
    return (to_table_types(batch, wanted) for batch in reader.to_record_batches([task]))


def _sized(batch: pa.RecordBatch | pa.Table, kept_bytes: int | None) -> pa.Table:
    """Add the size of the bodies, and cut them when asked."""
    table = pa.table(batch)
    original = table["original"]
    table = table.append_column("size_bytes", pc.binary_length(original))
    if kept_bytes is None:
        return table
    place = table.schema.get_field_index("original")
    return table.set_column(place, "original", pc.binary_slice(original, 0, kept_bytes))


def _behind(rows: pa.Table, after: Place) -> pa.Table:
    """Keep what follows a place; `received_at` alone does not tell letters of one millisecond apart."""
    time_us = pc.cast(rows["received_at"], pa.int64())
    partition, offset = rows["kafka_partition"], rows["kafka_offset"]
    same_time = pc.equal(time_us, after.received_at_ms * 1000)
    same_partition = pc.equal(partition, after.kafka_partition)
    lower_offset = pc.and_(same_partition, pc.less(offset, after.kafka_offset))
    lower_place = pc.or_(pc.less(partition, after.kafka_partition), lower_offset)
    earlier = pc.less(time_us, after.received_at_ms * 1000)
    return rows.filter(pc.or_(earlier, pc.and_(same_time, lower_place)))


def _top(best: pa.Table | None, rows: pa.Table, limit: int) -> pa.Table:
    joined = rows if best is None else concat_rows([best, rows], rows.schema)
    return joined.take(pc.sort_indices(joined, _ORDER)[:limit])


def _oldest_us(sorted_rows: pa.Table) -> int:
    return int(pc.cast(sorted_rows["received_at"], pa.int64())[-1].as_py())


def _letters(rows: pa.Table) -> list[DeadLetter]:
    times_us = pc.cast(rows["received_at"], pa.int64()).to_pylist()
    columns: list[list[Any]] = [rows[name].to_pylist() for name in _COLUMNS]
    columns[_COLUMNS.index("received_at")] = [time_us // 1000 for time_us in times_us]
    return [DeadLetter(*values) for values in zip(*columns, strict=True)]
