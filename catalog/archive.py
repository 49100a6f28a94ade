"""The archive of readings beside `iot.readings`, and how to read both as one.

Rows are moved in two commits: they come into the archive with a note that names them, then they leave
`iot.readings`, then the note goes. So a reader that takes the archive first and finds a note leaves out
what it names as long as the rows are still where they were.
"""

import json
from collections.abc import Iterator
from typing import Final, NamedTuple

import pyarrow as pa
from pyiceberg.exceptions import NoSuchTableError
from pyiceberg.expressions import BooleanExpression
from pyiceberg.io.pyarrow import ArrowScan
from pyiceberg.table import FileScanTask, Table

from catalog.table_types import arrow_schema, to_table_types
from millrace.errors import MillraceError

ARCHIVE: Final = ("iot_archive", "readings")
READINGS: Final = ("iot", "readings")
# On the archive: a move that is under way. On a snapshot of iot.readings: the move its rows went with.
MOVE: Final = "millrace.move"
_LOOKS: Final = 20


class Move(NamedTuple):
    """A move under way: its id, files of `iot.readings` that leave, files of the archive that came."""

    id: str
    leaving: tuple[str, ...]
    came: tuple[str, ...]


class Both(NamedTuple):
    """The two tables as they fit together; `left_out` are files of the archive whose rows are still warm."""

    warm: Table
    archive: Table
    left_out: frozenset[str]


def pending_move(archive: Table) -> Move | None:
    """Return the move that is under way, None when there is none."""
    note = archive.properties.get(MOVE)
    if not note:
        return None
    found = json.loads(note)
    return Move(found["id"], tuple(found["leaving"]), tuple(found["came"]))


def as_note(move: Move) -> str:
    """Return a move as the property says it."""
    return json.dumps(move._asdict())


def load_archive(warm: Table) -> Table | None:
    """Return the archive when there is one and it holds something; None for another table than readings."""
    if warm.name()[-2:] != READINGS:
        return None
    try:
        archive = warm.catalog.load_table(ARCHIVE)
    except NoSuchTableError:
        return None
    return archive if archive.current_snapshot() else None


def both(warm: Table) -> Both | None:
    """Refresh `iot.readings` and return it with the archive that fits it; None when nothing is archived."""
    archive = load_archive(warm)
    for _ in range(_LOOKS):
        if archive is None:
            return None
        warm.refresh()
        before, archive = archive, load_archive(warm)
        if archive and archive.metadata_location == before.metadata_location:
            return _fitting(warm, archive)
    raise MillraceError(
        "the archive changed at every look",
        where=".".join(ARCHIVE),
        mend="Try again; `millrace logs maintenance`.",
    )


def _fitting(warm: Table, archive: Table) -> Both:
    move = pending_move(archive)
    if move is None or is_done(warm, move):
        return Both(warm, archive, frozenset())
    return Both(warm, archive, frozenset(move.came))


def is_done(warm: Table, move: Move) -> bool:
    """Tell whether the rows of a move left `iot.readings`."""
    return any(one.summary is not None and one.summary[MOVE] == move.id for one in warm.metadata.snapshots)


def archived_tasks(found: Both, condition: BooleanExpression) -> list[FileScanTask]:
    """Return the files of the archive to read for a condition."""
    tasks = found.archive.scan(row_filter=condition).plan_files()
    return [task for task in tasks if task.file.file_path not in found.left_out]


def archived_rows(
    warm: Table, condition: BooleanExpression, columns: tuple[str, ...]
) -> Iterator[pa.RecordBatch]:
    """Yield what the archive holds of a condition beside `iot.readings`, which is refreshed to fit."""
    found = both(warm)
    if found is None:
        return
    schema = found.archive.schema().select(*columns)
    scan = ArrowScan(found.archive.metadata, found.archive.io, schema, condition)
    target = arrow_schema(schema)
    for task in archived_tasks(found, condition):
        for batch in scan.to_record_batches([task]):
            yield from to_table_types(batch, target).to_batches()


def archived_count(warm: Table) -> int:
    """Return how many rows the archive holds, from its newest snapshot's summary."""
    archive = load_archive(warm)
    snapshot = archive.current_snapshot() if archive else None
    return int(snapshot.summary["total-records"] or 0) if snapshot and snapshot.summary else 0
