"""Cuts a span of event time so that the rows of each slice fit into memory."""

from collections.abc import Iterable
from itertools import pairwise
from math import inf
from typing import NamedTuple

from pyiceberg.conversions import from_bytes
from pyiceberg.manifest import DataFile
from pyiceberg.types import TimestamptzType


class Slice(NamedTuple):
    """A half-open span of event time, [from_ms, to_ms)."""

    from_ms: int
    to_ms: int


class FileSpan(NamedTuple):
    """Event times of a file's rows, from the first until and with the last (ms), and how many rows it has."""

    from_ms: float
    until_ms: float
    rows: int


def span_of(file: DataFile, field_id: int) -> FileSpan:
    """Return the span of a file by the bounds of a time column; a file that has none may hold any time."""
    lower, upper = (bounds or {} for bounds in (file.lower_bounds, file.upper_bounds))
    if field_id not in lower or field_id not in upper:
        return FileSpan(-inf, inf, file.record_count)
    from_us, until_us = (int(from_bytes(TimestamptzType(), bounds[field_id])) for bounds in (lower, upper))
    return FileSpan(from_us // 1000, until_us // 1000, file.record_count)


def cut(files: Iterable[FileSpan], span: Slice, most_rows: int) -> list[Slice]:
    """Cut a span where a file begins and the files since the last cut hold more than `most_rows`."""
    edges, rows = [span.from_ms], 0
    for file in sorted(files):
        if rows and rows + file.rows > most_rows and edges[-1] < file.from_ms < span.to_ms:
            edges.append(int(file.from_ms))
            rows = 0
        rows += file.rows
    return [Slice(begin, end) for begin, end in pairwise([*edges, span.to_ms])]
