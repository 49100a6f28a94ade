"""Takes the rows of a device out of a table, while others append to it and compact it."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import Final

from pyiceberg.exceptions import CommitFailedException, ValidationException
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table
from pyiceberg.table.snapshots import Operation

from catalog.archive import pending_move
from catalog.forgetting.held_rows import Held, Search
from catalog.forgetting.owner import Owner
from catalog.maintenance.replacing import WRITER, Swap, commit
from catalog.maintenance.rewriting import Look, discard, rewrite
from millrace.errors import MillraceError
from millrace.phrases import counted

_log = logging.getLogger("millrace.forget")
_ROUNDS: Final = 20
_ROWS_AT_ONCE: Final = 500_000
_FILES_AT_ONCE: Final = 256
_MOVE_PATIENCE_S: Final = 120.0
_LOOK_EVERY_S: Final = 0.5


Note = Callable[[Sequence[Held]], None]


def erase(search: Search, owner: Owner, note: Note) -> int:
    """Rewrite the files that hold rows of the device without them; return how many rows went.

    `note` hears of files before their rows go. What others commit meanwhile stays; files that they replaced
    are looked at again. MillraceError when rows keep coming back.
    """
    table, gone = search.table, 0
    for _ in range(_ROUNDS):
        _await_no_move(table)
        held = search.now()
        if not held:
            return gone
        for group in _groups(held):
            note(group)
            if not _rewritten(search, group):
                break
            gone += sum(one.rows for one in group)
    raise MillraceError(
        f"rows of {owner.key} keep coming into {'.'.join(table.name())}",
        where="forget",
        mend="Stop the device from sending, then forget it again.",
    )


def _await_no_move(table: Table) -> None:
    """Refresh an archive until no rows are half moved into it: who moves them knows files by their names."""
    deadline = time.monotonic() + _MOVE_PATIENCE_S
    table.refresh()
    while pending_move(table):
        if time.monotonic() >= deadline:
            raise MillraceError(
                "rows are half moved to the archive, and nobody ends it",
                where=".".join(table.name()),
                mend="`millrace maintain --once` ends it; then forget the device again.",
            )
        time.sleep(_LOOK_EVERY_S)
        table.refresh()


def _groups(held: Sequence[Held]) -> Iterator[list[Held]]:
    def place(one: Held) -> tuple[int, str]:
        return one.file.spec_id, str(one.file.partition)

    for _, partition in groupby(sorted(held, key=place), key=place):
        group: list[Held] = []
        for one in partition:
            rows = sum(held.file.record_count for held in group)
            if group and (rows + one.file.record_count > _ROWS_AT_ONCE or len(group) >= _FILES_AT_ONCE):
                yield group
                group = []
            group.append(one)
        yield group


def _rewritten(search: Search, group: Sequence[Held]) -> bool:
    table, files = search.table, [one.file for one in group]
    kept = sum(one.file.record_count - one.rows for one in group)
    new: DataFile | None = None
    try:
        if kept:
            new = rewrite(table, files, Look({}), keep=search.belonging.of_others)
            _check(table, new, kept)
        added = [] if new is None else [new]
        commit(table, Swap(files, added, Operation.OVERWRITE, {WRITER: "forget"}))
    except (FileNotFoundError, CommitFailedException, ValidationException) as error:
        _log.info("others were first, looked at again: %s", error)
        if new is not None:
            discard(table, new.file_path)
        return False
    return True


def _check(table: Table, new: DataFile | None, kept: int) -> None:
    """Refuse a file that does not hold all rows of others."""
    found = 0 if new is None else new.record_count
    if found == kept:
        return
    if new is not None:
        discard(table, new.file_path)
    raise MillraceError(
        f"{counted(kept, 'row')} of other devices would have become {found}",
        where=".".join(table.name()),
        mend="Nothing was changed. Please report this.",
    )
