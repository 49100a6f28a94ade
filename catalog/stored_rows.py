"""Reads rows of a table at one snapshot: only files, row groups and columns that can hold what is asked."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pyiceberg.io.pyarrow import schema_to_pyarrow
from pyiceberg.table import Table
from pyiceberg.table.snapshots import Snapshot

from catalog.footers import Footer, footer_of
from catalog.snapshot_files import StoredFile, Where, planned
from catalog.table_types import concat_rows

# Rows decoded at a time: some 100 MB of readings.
_MOST_ROWS: Final = 500_000
# While rows of one part are chosen, the next is fetched and decoded.
_PARTS_AT_ONCE: Final = 2
# Shorter runs of rows are better copied one by one than cut out.
_LEAST_RUN_ROWS: Final = 1_000
# Text of few values: decoded as numbers into a dictionary, which is several times faster.
_FEW_VALUES: Final = ("tenant", "device_id", "metric", "mark", "source")


def read_rows(
    table: Table,
    snapshot: Snapshot,
    where: Where,
    columns: Sequence[str],
    files: Iterable[StoredFile] | None = None,
    metrics: frozenset[str] | None = None,
) -> Iterator[pa.Table]:
    """Yield the rows as tables of the asked columns, `device_id` and `time_ms`; few or none in each.

    Without `files` those of the snapshot are read that may hold such rows. `metrics` chooses by the column
    `metric`, None = all.
    """
    reader = _Reader(table, where, columns, metrics)
    chosen = planned(table, snapshot, where) if files is None else files
    waiting: deque[Future[pa.Table]] = deque()
    with ThreadPoolExecutor(_PARTS_AT_ONCE) as pool:
        for part in (part for file in chosen for part in reader.parts(file)):
            waiting.append(pool.submit(reader.rows, part))
            if len(waiting) > _PARTS_AT_ONCE:
                yield waiting.popleft().result()
        for read in waiting:
            yield read.result()


class _Part(NamedTuple):
    path: str
    footer: Footer
    groups: list[int]


class _Reader:
    def __init__(
        self, table: Table, where: Where, columns: Sequence[str], metrics: frozenset[str] | None
    ) -> None:
        schema = table.schema()
        asked = {"tenant": frozenset({where.tenant}), "device_id": where.devices, "metric": metrics}
        self._wanted = {name: names for name, names in asked.items() if names is not None}
        self._io, self._where = table.io, where
        self._names = {field.field_id: field.name for field in schema.fields}
        self._ids = {
            name: schema.find_field(name).field_id
            for name in dict.fromkeys(("tenant", "device_id", where.time_column, *self._wanted, *columns))
        }
        self._owners = tuple(self._ids[name] for name in (where.time_column, "tenant", "device_id"))
        self._types = {field.name: field.type for field in schema_to_pyarrow(schema)}
        self._columns = tuple(columns)

    def parts(self, file: StoredFile) -> Iterator[_Part]:
        footer = footer_of(self._io, file.path, self._owners, self._names)  # type: ignore[arg-type]
        groups = footer.chosen(self._where)
        if groups:
            yield from (_Part(file.path, footer, some) for some in _batches(footer, groups))

    def rows(self, part: _Part) -> pa.Table:
        names = {name: part.footer.columns.get(field_id) for name, field_id in self._ids.items()}
        with self._io.new_input(part.path).open() as source:
            coded = [stored for name, stored in names.items() if stored and name in _FEW_VALUES]
            parquet = pq.ParquetFile(source, metadata=part.footer.metadata, read_dictionary=coded)
            stored = parquet.read_row_groups(part.groups, [name for name in names.values() if name])
        return self._chosen(stored, names)

    def _chosen(self, stored: pa.Table, names: dict[str, str | None]) -> pa.Table:
        keep = np.ones(len(stored), bool)
        for name, wanted in self._wanted.items():
            if (named := _named(stored[names[name]], wanted)) is not None:
                keep &= named
        # Times last: of a file's rows few are of the devices that are asked for.
        rows = _only(stored, keep)
        times_us = rows[names[self._where.time_column]].cast(pa.int64()).to_numpy()
        keep = (times_us >= self._where.from_ms * 1000) & (times_us < self._where.to_ms * 1000)
        rows = _only(rows, keep)
        found = {name: self._column(rows, name, names[name]) for name in ("device_id", *self._columns)}
        return pa.table(found | {"time_ms": pa.array(times_us[keep] // 1000)})

    def _column(self, rows: pa.Table, name: str, stored: str | None) -> pa.ChunkedArray:
        wanted = self._types[name]
        if stored is None:
            return pa.chunked_array([pa.nulls(len(rows), wanted)])
        column = rows[stored]
        # A column that was widened since, or text in a width of its own.
        plain = pa.types.is_floating(wanted) or pa.types.is_integer(wanted)
        return column.cast(wanted) if plain and column.type != wanted else column


def _batches(footer: Footer, groups: Sequence[int]) -> Iterator[list[int]]:
    some: list[int] = []
    rows = 0
    for place in groups:
        if some and rows + footer.groups[place].rows > _MOST_ROWS:
            yield some
            some, rows = [], 0
        some.append(place)
        rows += footer.groups[place].rows
    yield some


def codes(column: pa.ChunkedArray, known: dict[str, int]) -> NDArray[np.int64]:
    """Return the number that each name of a dictionary-encoded column is known by, or -1."""
    parts = [_codes(chunk, known) for chunk in column.chunks]
    return np.concatenate(parts) if parts else np.empty(0, np.int64)


def _only(rows: pa.Table, keep: NDArray[np.bool_]) -> pa.Table:
    """Return the rows to keep; where they lie together they are cut out, not looked for."""
    if keep.all():
        return rows
    edges = np.flatnonzero(np.diff(keep, prepend=False, append=False)).tolist()
    runs = list(zip(edges[::2], edges[1::2], strict=True))
    if not runs or len(runs) * _LEAST_RUN_ROWS > len(keep):
        return rows.filter(pa.array(keep))
    cut = concat_rows((rows.slice(begin, end - begin) for begin, end in runs), rows.schema)
    return cut.unify_dictionaries().combine_chunks()


def _named(column: pa.ChunkedArray, wanted: frozenset[str]) -> NDArray[np.bool_] | None:
    """Tell which rows of a dictionary-encoded column hold one of the names; None = all do."""
    known = [
        np.array([name in wanted for name in chunk.dictionary.to_pylist()], bool) for chunk in column.chunks
    ]
    if all(each.all() for each in known):
        return None
    indices = (chunk.indices.to_numpy(zero_copy_only=False) for chunk in column.chunks)
    # `take` is twice as fast as `names[at]`.
    found: NDArray[np.bool_] = np.concatenate(
        [names.take(at) for at, names in zip(indices, known, strict=True)]
    )
    return found


def _codes(chunk: pa.DictionaryArray, known: dict[str, int]) -> NDArray[np.int64]:
    numbers = np.array([known.get(name, -1) for name in chunk.dictionary.to_pylist()], np.int64)
    indices = chunk.indices.to_numpy(zero_copy_only=False)
    return numbers[indices] if len(numbers) else np.empty(0, np.int64)
