"""Moves readings between tables so that a crash at any point neither loses nor doubles one."""

import itertools
import logging
import uuid
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from pyiceberg.exceptions import CommitFailedException, ValidationException
from pyiceberg.expressions import AlwaysTrue
from pyiceberg.io.pyarrow import ArrowScan
from pyiceberg.manifest import DataFile
from pyiceberg.table import FileScanTask, Table
from pyiceberg.table.snapshots import Operation

from catalog.archive import MOVE, Move, as_note, is_done, pending_move
from catalog.maintenance.live_files import live_files
from catalog.maintenance.replacing import WRITER, Swap, commit
from catalog.maintenance.rewriting import Keep, Look, discard, rewrite
from catalog.tiering.terms import Terms, aged

_log = logging.getLogger("millrace.tiering")
_SAME: Final = Look({})
# A note names every file that leaves, and metadata is no place for long lists.
_MOST_FILES: Final = 200
_MOST_ROWS: Final = 16_000_000
_WRITER: Final = "tiering"
_OVERTAKEN = (CommitFailedException, ValidationException, FileNotFoundError)


class Moved(NamedTuple):
    """Rows and files that went from one tier to the next, or away."""

    rows: int = 0
    files: int = 0


def split(table: Table, files: Iterable[DataFile], terms: Terms, tier: str, now_ms: int) -> None:
    """Write files anew as two each: rows that are due, and the others. Readers see no difference."""

    def due(*, wanted: bool) -> Keep:
        return lambda rows: aged(rows, terms, tier, now_ms) == wanted

    for file in files:
        try:
            parts = [rewrite(table, [file], _SAME, keep=due(wanted=side)) for side in (True, False)]
            new = [part for part in parts if part]
            commit(table, Swap([file], new, Operation.REPLACE, {WRITER: _WRITER}))
        except _OVERTAKEN as error:
            # Its halves are orphans if they were written.
            _log.info("others were first, split again later: %s", error)
            table.refresh()


def move(warm: Table, archive: Table, files: Iterable[DataFile]) -> Moved:
    """Move whole files to the archive, some at a time."""
    done = Moved()
    for group in _groups(files):
        rows = _move(warm, archive, group)
        done = Moved(done.rows + rows, done.files + (len(group) if rows else 0))
    return done


def _groups(files: Iterable[DataFile]) -> Iterator[list[DataFile]]:
    def partition(file: DataFile) -> str:
        return str(file.partition)

    for _, same in itertools.groupby(sorted(files, key=partition), partition):
        group: list[DataFile] = []
        for file in same:
            rows = sum(one.record_count for one in group)
            if group and (len(group) == _MOST_FILES or rows + file.record_count > _MOST_ROWS):
                yield group
                group = []
            group.append(file)
        yield group


def _move(warm: Table, archive: Table, group: list[DataFile]) -> int:
    try:
        new = rewrite(warm, group, _SAME, into=archive)
    except FileNotFoundError as error:
        _log.info("a file went away before it was read: %s", error)
        return 0
    if new is None:
        return 0
    going = Move(str(uuid.uuid4()), tuple(file.file_path for file in group), (new.file_path,))
    try:
        summary = {WRITER: _WRITER, MOVE: going.id}
        commit(archive, Swap([], [new], Operation.APPEND, summary), {MOVE: as_note(going)})
    except CommitFailedException as error:
        _log.info("others were first, moved later: %s", error)
        discard(archive, new.file_path)
        return 0
    settle(warm, archive)
    return new.record_count if is_done(warm, going) else 0


def settle(warm: Table, archive: Table) -> None:
    """End a move that is under way, after a crash as at any time: forwards if possible, else backwards."""
    archive.refresh()
    going = pending_move(archive)
    if going is None:
        return
    warm.refresh()
    live = live_files(warm).files
    leaving = [live[path] for path in going.leaving if path in live]
    here = set(going.came) <= live_files(archive).files.keys()
    if is_done(warm, going) or not here or (not leaving and not _still_warm(warm, archive, going)):
        _clear(archive)
        return
    if len(leaving) < len(going.leaving) or not _left(warm, leaving, going):
        _take_back(archive, going)
    _clear(archive)


def _left(warm: Table, leaving: list[DataFile], going: Move) -> bool:
    """Take the files out of `iot.readings`; tell whether nobody had written one of them anew."""
    try:
        commit(warm, Swap(leaving, [], Operation.DELETE, {WRITER: _WRITER, MOVE: going.id}))
    except ValidationException as error:
        _log.info("taken back: %s", error)
        return False
    return True


def _still_warm(warm: Table, archive: Table, going: Move) -> bool:
    """Tell whether rows that came into the archive are still in `iot.readings`, under whatever file."""
    came = [file for path, file in live_files(archive).files.items() if path in going.came]
    for file in came:
        places = _places(archive, file)
        for other in live_files(warm).files.values():
            if places & _places(warm, other):
                return True
    return False


def _places(table: Table, file: DataFile) -> set[tuple[int, int]]:
    schema = table.schema().select("kafka_partition", "kafka_offset")
    rows = ArrowScan(table.metadata, table.io, schema, AlwaysTrue()).to_table([FileScanTask(file)])
    return set(zip(rows[0].to_pylist(), rows[1].to_pylist(), strict=True))


def _take_back(archive: Table, going: Move) -> None:
    live = live_files(archive).files
    came = [live[path] for path in going.came if path in live]
    if came:
        commit(archive, Swap(came, [], Operation.DELETE, {WRITER: _WRITER}))


def _clear(archive: Table) -> None:
    with archive.transaction() as transaction:
        transaction.remove_properties(MOVE)
