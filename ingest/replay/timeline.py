"""Several files on one time line: merged by event time, shifted, compressed, paced."""

import heapq
from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from ingest.replay.mapping import Mapping
from ingest.replay.moments import time_reader
from ingest.replay.rows import Record, Refuse, read_rows
from ingest.replay.table import FileNotes
from millrace.errors import MillraceError


class Survey(NamedTuple):
    """What a recording holds; times in UTC epoch milliseconds, as recorded."""

    rows: int
    empty: int
    out_of_order: int
    first_ms: int
    last_ms: int


class TimeTransform(NamedTuple):
    """Maps recorded time to sent time: `start + (recorded - origin) / compress`, floored to milliseconds."""

    origin_ms: int = 0
    start_ms: int = 0
    compress: int = 1

    def at(self, recorded_ms: int) -> int:
        """Return the event time to send for a recorded time."""
        return self.start_ms + (recorded_ms - self.origin_ms) // self.compress

    @property
    def tag(self) -> str:
        """Short name of this transform; empty when time is kept."""
        if self == TimeTransform():
            return ""
        return blake2b(repr(tuple(self)).encode(), digest_size=4).hexdigest()


def merged(
    files: Sequence[Path],
    mapping: Mapping,
    limit: int | None = None,
    refuse: Refuse | None = None,
    notes: Sequence[FileNotes] | None = None,
) -> Iterator[Record]:
    """Yield the rows of all files by event time, ties in file order; a file's own order is kept.

    A row that cannot be read goes to `refuse`; without it the first one raises MillraceError. `notes`, one a
    file, take what is left out of it.
    """
    # One reader for all files: stations that share their hours share its cache.
    time_of = time_reader(mapping.time)
    streams = [
        read_rows(path, mapping, time_of, refuse, note)
        for path, note in zip(files, notes or map(FileNotes, files), strict=True)
    ]
    return islice(heapq.merge(*streams, key=_recorded_time), limit)


def _recorded_time(record: Record) -> int:
    return record.time_ms


def survey(records: Iterable[Record]) -> Survey:
    """Read a recording once: counts and time span; raise MillraceError when it has no row."""
    rows = empty = out_of_order = 0
    first = last = newest = None
    for record in records:
        rows += 1
        empty += not record.metrics
        time_ms = record.time_ms
        first = time_ms if first is None or time_ms < first else first
        out_of_order += newest is not None and time_ms < newest
        newest = time_ms if newest is None else max(newest, time_ms)
        last = newest
    if first is None or last is None:
        raise MillraceError("there is no row to replay", where="FILE", mend="Check the files and --limit.")
    return Survey(rows, empty, out_of_order, first, last)


def transform(
    span: Survey, *, compress: int | None, shift_to_now: bool, start_ms: int | None, now_ms: int
) -> TimeTransform:
    """Choose the transform the options ask for: kept, ending now, or starting at `start_ms`."""
    if shift_to_now and start_ms is not None:
        raise MillraceError(
            "--start and --shift-to-now exclude each other", where="options", mend="Give one of them."
        )
    if compress is None and not shift_to_now and start_ms is None:
        return TimeTransform()
    factor = compress or 1
    begin = now_ms - (span.last_ms - span.first_ms) // factor if start_ms is None else start_ms
    return TimeTransform(span.first_ms, begin, factor)


def due_s(event_time_ms: int, first_ms: int, speed: float) -> float:
    """Return how many seconds after the start a reading is due at `speed` times real time."""
    return (event_time_ms - first_ms) / 1000 / speed
