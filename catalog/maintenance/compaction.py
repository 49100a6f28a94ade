"""Joins small data files of a table while others append to it."""

import logging
from typing import Final, NamedTuple

from pyiceberg.exceptions import CommitFailedException, ValidationException
from pyiceberg.table import Table
from pyiceberg.table.snapshots import Operation

from catalog.maintenance.live_files import Live, live_files
from catalog.maintenance.plan import FileFigure, Policy, plan
from catalog.maintenance.replacing import WRITER, Swap, commit
from catalog.maintenance.rewriting import Look, discard, rewrite

_log = logging.getLogger("millrace.maintenance")
# A stream file is compressed in a hurry; what stays is not.
_COMPRESSION: Final = {"write.parquet.compression-level": "3"}


class Compacted(NamedTuple):
    """What one pass joined: files before and after, their rows, bytes before and after."""

    files_before: int = 0
    files_after: int = 0
    rows: int = 0
    bytes_before: int = 0
    bytes_after: int = 0

    def plus(self, other: "Compacted") -> "Compacted":
        """Add figures."""
        return Compacted(*(mine + others for mine, others in zip(self, other, strict=True)))


def compact(table: Table, policy: Policy, now_ms: int, known: Live | None = None) -> Compacted:
    """Join what is worth it, one commit a group; what others took away meanwhile is left to the next pass.

    `known` are the table's files where they have been read already.
    """
    live = known or live_files(table)
    done = Compacted()
    if live.has_deletes:
        # Rows deleted by other files would come back; nothing here writes such files.
        _log.warning("%s has delete files and is left alone", ".".join(table.name()))
        return done
    for group in plan(live.figures, policy, now_ms):
        done = done.plus(_join(table, live, group))
    return done


def _join(table: Table, live: Live, group: list[FileFigure]) -> Compacted:
    gone = [live.files[figure.path] for figure in group]
    try:
        new = rewrite(table, gone, Look(_COMPRESSION))
    except FileNotFoundError as error:
        _log.info("a file went away before it was read: %s", error)
        return Compacted()
    if new is None:
        return Compacted()
    try:
        commit(table, Swap(gone, [new], Operation.REPLACE, {WRITER: "compaction"}))
    except (CommitFailedException, ValidationException) as error:
        _log.info("others were first, planned again later: %s", error)
        discard(table, new.file_path)
        table.refresh()
        return Compacted()
    before = sum(file.file_size_in_bytes for file in gone)
    return Compacted(len(gone), 1, new.record_count, before, new.file_size_in_bytes)
