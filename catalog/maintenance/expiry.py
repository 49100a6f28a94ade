"""Which snapshots are kept, and the removal of the others with the files that only they held.

All of the last hour are kept, since readers go on from a snapshot they know; of the days before one an hour,
of the weeks before one a day, for questions about the past. Besides what is the newest of a branch or has a
tag, the way a branch came from the main line, and the way back to where Flink's committers left off.
"""

import logging
from collections.abc import Iterable
from typing import Final, NamedTuple

from pyiceberg.exceptions import CommitFailedException
from pyiceberg.table import Table
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.snapshots import Snapshot, ancestors_of
from pyiceberg.table.update import AssertTableUUID, RemoveSnapshotsUpdate

from catalog.maintenance.committers import needed_way
from catalog.maintenance.reach import Reach
from catalog.maintenance.rewriting import discard

_log = logging.getLogger("millrace.maintenance")
HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS


class Keeping(NamedTuple):
    """How long snapshots are kept: all of them, one an hour, one a day; how often it is looked after (ms)."""

    all_ms: int = HOUR_MS
    hourly_ms: int = 2 * DAY_MS
    daily_ms: int = 14 * DAY_MS
    every_ms: int = 600_000


class Expired(NamedTuple):
    """Snapshots removed and files deleted with them, and their bytes where they are known."""

    snapshots: int = 0
    files: int = 0


def to_expire(metadata: TableMetadata, keeping: Keeping, now_ms: int) -> list[int]:
    """Return the snapshots that nobody needs any more."""
    kept = {*_by_age(metadata.snapshots, keeping, now_ms), *needed_way(metadata), *_branches(metadata)}
    return [one.snapshot_id for one in metadata.snapshots if one.snapshot_id not in kept]


def _by_age(snapshots: Iterable[Snapshot], keeping: Keeping, now_ms: int) -> set[int]:
    newest_first = sorted(snapshots, key=lambda one: one.timestamp_ms, reverse=True)
    kept: dict[tuple[int, int], int] = {}
    for snapshot in newest_first:
        age_ms, at_ms = now_ms - snapshot.timestamp_ms, snapshot.timestamp_ms
        if age_ms < keeping.all_ms:
            kept[0, snapshot.snapshot_id] = snapshot.snapshot_id
        elif age_ms < keeping.hourly_ms:
            kept.setdefault((HOUR_MS, at_ms // HOUR_MS), snapshot.snapshot_id)
        elif age_ms < keeping.daily_ms:
            kept.setdefault((DAY_MS, at_ms // DAY_MS), snapshot.snapshot_id)
    return set(kept.values())


def _branches(metadata: TableMetadata) -> set[int]:
    main = {one.snapshot_id for one in ancestors_of(metadata.current_snapshot(), metadata)}
    kept: set[int] = set()
    for ref in metadata.refs.values():
        for snapshot in ancestors_of(metadata.snapshot_by_id(ref.snapshot_id), metadata):
            kept.add(snapshot.snapshot_id)
            if snapshot.snapshot_id in main:
                break
    return kept


def expire(table: Table, keeping: Keeping, now_ms: int, reach: Reach) -> Expired:
    """Remove what is to expire, then the files that no snapshot left names."""
    return remove(table, to_expire(table.metadata, keeping, now_ms), reach)


def remove(table: Table, snapshot_ids: list[int], reach: Reach) -> Expired:
    """Remove snapshots and the files that only they held; nothing when somebody committed first."""
    heads = {ref.snapshot_id for ref in table.metadata.refs.values()}
    snapshot_ids = [one for one in snapshot_ids if one not in heads]
    if not snapshot_ids:
        return Expired()
    gone = [one for one in table.metadata.snapshots if one.snapshot_id in set(snapshot_ids)]
    held = reach.paths(table, gone)
    try:
        # Not by PyIceberg's builder: it copies the metadata once a snapshot.
        update = RemoveSnapshotsUpdate.model_validate({"snapshot-ids": snapshot_ids})
        table._do_commit((update,), (AssertTableUUID(uuid=table.metadata.table_uuid),))
    except CommitFailedException as error:
        _log.info("others were first, expired later: %s", error)
        table.refresh()
        return Expired()
    # What was committed since stands on the newest snapshot and on files that did not exist before.
    lost = held - reach.paths(table, table.metadata.snapshots)
    for path in sorted(lost):
        discard(table, path)
    return Expired(len(snapshot_ids), len(lost))
