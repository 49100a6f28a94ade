"""One day of a table, read once with only the columns a suite asks for, into a DuckDB file.

Memory stays bounded whatever the day holds: files are read batch by batch, and DuckDB writes to disk what
does not fit its share.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple

import duckdb
import pyarrow as pa
from pyiceberg.conversions import from_bytes
from pyiceberg.expressions import And, BooleanExpression, GreaterThanOrEqual, LessThan
from pyiceberg.io.pyarrow import ArrowScan, _read_all_delete_files
from pyiceberg.table import FileScanTask, Table

from catalog.filters import moment, predicate
from catalog.quality.terms import Terms
from catalog.table_types import to_table_types

DAY_MS: Final = 86_400_000
_MEMORY: Final = "192MB"
_NEWEST_WITHIN_MS: Final = 7 * DAY_MS
_TIME: Final = pa.timestamp("us")


class Span(NamedTuple):
    """What is looked at: a day from `from_ms` on, as it is `now_ms`; UTC epoch milliseconds."""

    from_ms: int
    now_ms: int

    @property
    def until_ms(self) -> int:
        """The end of the day, which is not part of it."""
        return self.from_ms + DAY_MS


class Source(NamedTuple):
    """A snapshot of a table, the columns wanted and the one by which a day is read."""

    table: Table
    snapshot_id: int
    columns: tuple[str, ...]
    day: str
    fresh: str | None


def day_of(time_ms: int) -> int:
    """Return when the day of a moment begins."""
    return time_ms // DAY_MS * DAY_MS


@contextmanager
def day_rows(source: Source, span: Span, terms: Terms, scratch: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a database that holds the day under the table's name, with `asked`, `expected` and `ranges`.

    It lies in a folder of its own below `scratch`, which goes with it.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=scratch) as folder:
        settings: dict[str, Any] = {
            "memory_limit": _MEMORY,
            "temp_directory": folder,
            "preserve_insertion_order": False,
            "threads": 1,
        }
        with duckdb.connect(f"{folder}/day.duckdb", config=settings) as connection:
            connection.execute("SET enable_progress_bar = false")
            for name, rows in _asked(source, span, terms).items():
                connection.from_arrow(rows).create(name)
            _keep(connection, source, span)
            pa.default_memory_pool().release_unused()
            yield connection


def _keep(connection: duckdb.DuckDBPyConnection, source: Source, span: Span) -> None:
    name = source.table.name()[-1]
    schema = pa.schema([_plain(one) for one in source.table.schema().select(*source.columns).as_arrow()])
    connection.from_arrow(schema.empty_table()).create(name)
    for batch in _batches(source, _within(source.day, span.from_ms, span.until_ms)):
        connection.from_arrow(to_table_types(batch, schema)).insert_into(name)


def _plain(field: pa.Field) -> pa.Field:
    # Files of different writers spell text differently, and DuckDB counts in UTC without a zone.
    return pa.field(field.name, _TIME if pa.types.is_timestamp(field.type) else field.type)


def _batches(source: Source, rows: BooleanExpression) -> Iterator[pa.RecordBatch]:
    tasks = _tasks(source, rows, source.columns)
    schema = source.table.schema().select(*source.columns)
    scan = ArrowScan(source.table.metadata, source.table.io, schema, rows)
    deletes = _read_all_delete_files(source.table.io, tasks)
    # The public `to_record_batches` holds whole files, several at a time; a compacted day is one file.
    for task in tasks:
        yield from scan._record_batches_from_scan_tasks_and_deletes([task], deletes)


def _tasks(source: Source, rows: BooleanExpression, columns: tuple[str, ...]) -> list[FileScanTask]:
    scan = source.table.scan(row_filter=rows, selected_fields=columns, snapshot_id=source.snapshot_id)
    return list(scan.plan_files())


def _within(column: str, from_ms: int, until_ms: int) -> BooleanExpression:
    return And(
        predicate(GreaterThanOrEqual, column, moment(from_ms)), predicate(LessThan, column, moment(until_ms))
    )


def newest_ms(source: Source, now_ms: int) -> int | None:
    """Return the newest value of the column `fresh`, from statistics of files; None when there are no rows.

    A table whose rows are all older than a week answers a week ago.
    """
    if source.fresh is None or not _holds_rows(source.table):
        return None
    since_ms = now_ms - _NEWEST_WITHIN_MS
    tasks = _tasks(source, predicate(GreaterThanOrEqual, source.fresh, moment(since_ms)), (source.fresh,))
    field = source.table.schema().find_field(source.fresh)
    kind: Any = field.field_type
    bounds = [task.file.upper_bounds.get(field.field_id) for task in tasks]
    found = [int(from_bytes(kind, bound)) // 1000 for bound in bounds if bound is not None]
    return max(found, default=since_ms)


def _holds_rows(table: Table) -> bool:
    snapshot = table.current_snapshot()
    return bool(snapshot and snapshot.summary and int(snapshot.summary["total-records"] or 0))


def _asked(source: Source, span: Span, terms: Terms) -> dict[str, pa.Table]:
    newest = newest_ms(source, span.now_ms)
    asked = {
        "day_start": _times([span.from_ms]),
        "day_end": _times([span.until_ms]),
        "now": _times([span.now_ms]),
        "newest": _times([newest]),
    }
    return {"asked": pa.table(asked), **_terms(terms)}


def _terms(terms: Terms) -> dict[str, pa.Table]:
    ranges = [(one, metric, limits) for one in terms.devices for metric, limits in one.ranges.items()]
    return {
        "expected": pa.table(
            _texts(terms.devices, "tenant", "device_id", "profile")
            | {"expected_interval_s": pa.array([d.expected_interval_s for d in terms.devices], pa.int64())}
        ),
        "ranges": pa.table(
            _texts([one for one, _, _ in ranges], "tenant", "device_id", "profile")
            | {
                "metric": pa.array([metric for _, metric, _ in ranges], pa.string()),
                "low": pa.array([limits.low for _, _, limits in ranges], pa.float64()),
                "high": pa.array([limits.high for _, _, limits in ranges], pa.float64()),
            }
        ),
        "pauses": pa.table(
            _texts(terms.pauses, "tenant", "device_id")
            | {
                "from_time": _times([one.from_ms for one in terms.pauses]),
                "until_time": _times([one.until_ms for one in terms.pauses]),
            }
        ),
    }


def _texts(entries: Sequence[object], *names: str) -> dict[str, pa.Array]:
    return {name: pa.array([getattr(one, name) for one in entries], pa.string()) for name in names}


def _times(times_ms: Sequence[int | None]) -> pa.Array:
    micros = [None if time_ms is None else time_ms * 1000 for time_ms in times_ms]
    return pa.array(micros, pa.int64()).cast(_TIME)
