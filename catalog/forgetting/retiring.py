"""Removes the snapshots in which a device can still be found, with the files that only they hold.

A committer of Flink that starts again looks for its last checkpoint in the newest snapshot and its parents.
Where that stands in a snapshot that must go, or behind it, a snapshot without rows tells it again before.
That one counts only if nobody committed meanwhile: on top of a newer checkpoint it would be a lie.
"""

import logging
from collections.abc import Callable, Collection
from typing import Final, NamedTuple

from pyiceberg.exceptions import CommitFailedException
from pyiceberg.table import Table
from pyiceberg.table.refs import MAIN_BRANCH, SnapshotRefType
from pyiceberg.table.snapshots import Operation, ancestors_of
from pyiceberg.table.update.snapshot import _FastAppendFiles

from catalog.forgetting.held_rows import Search
from catalog.maintenance.committers import CHECKPOINT, JOB, OPERATOR, Carrier, carriers
from catalog.maintenance.expiry import remove
from catalog.maintenance.reach import Reach
from catalog.maintenance.replacing import WRITER
from millrace.errors import MillraceError

_log = logging.getLogger("millrace.forget")
_ROUNDS: Final = 50


class Retired(NamedTuple):
    """What went: snapshots, files of all kinds, branches and tags that kept some of them."""

    snapshots: tuple[int, ...]
    files: int
    refs: tuple[str, ...]


def retire(search: Search, erase_again: Callable[[], int]) -> Retired:
    """Remove all snapshots that hold rows of the device.

    `erase_again` is called when rows came into the newest one meanwhile. MillraceError when it is in vain.
    """
    table = search.table
    snapshots: list[int] = []
    refs: list[str] = []
    files = 0
    for _ in range(_ROUNDS):
        table.refresh()
        holding = {one.snapshot_id for one in search.snapshots()}
        if not holding:
            return Retired(tuple(snapshots), files, tuple(refs))
        newest = table.current_snapshot()
        if newest is not None and newest.snapshot_id in holding:
            erase_again()
            continue
        try:
            refs += _without_refs(table, holding)
            tell_again(table, holding)
        except CommitFailedException as error:
            _log.info("others were first, looked at again: %s", error)
            continue
        done = remove(table, sorted(holding), Reach())
        if done.snapshots:
            snapshots += sorted(holding)
            files += done.files
    raise MillraceError(
        "others committed first again and again",
        where=".".join(table.name()),
        mend="Rows are gone from what readers see; forget the device again to remove old snapshots.",
    )


def _without_refs(table: Table, holding: Collection[int]) -> list[str]:
    """Drop branches and tags that need such snapshots: what they hold may not be published any more."""
    found = []
    for name, ref in list(table.metadata.refs.items()):
        head = table.metadata.snapshot_by_id(ref.snapshot_id)
        if name == MAIN_BRANCH or not any(
            one.snapshot_id in holding for one in ancestors_of(head, table.metadata)
        ):
            continue
        manage = table.manage_snapshots()
        is_tag = ref.snapshot_ref_type == SnapshotRefType.TAG
        (manage.remove_tag(name) if is_tag else manage.remove_branch(name)).commit()
        found.append(name)
    table.refresh()
    return found


def tell_again(table: Table, holding: Collection[int]) -> int:
    """Tell committers' checkpoints that stand in these snapshots, or behind them, once more; return how many.

    The newest last, as they stood. CommitFailedException when somebody committed meanwhile.
    """
    lost = _behind(table, holding)
    for carrier in sorted(lost, key=lambda one: one.timestamp_ms):
        with table.transaction() as transaction:
            producer = _Unrepeated(
                Operation.APPEND, transaction, table.io, snapshot_properties=_summary(carrier)
            )
            producer.commit()
    return len(lost)


def _behind(table: Table, holding: Collection[int]) -> list[Carrier]:
    safe: set[int] = set()
    for snapshot in ancestors_of(table.current_snapshot(), table.metadata):
        if snapshot.snapshot_id in holding:
            break
        safe.add(snapshot.snapshot_id)
    return [one for one in carriers(table.metadata) if one.snapshot_id not in safe]


def _summary(carrier: Carrier) -> dict[str, str]:
    told = {JOB: carrier.job, CHECKPOINT: str(carrier.checkpoint), WRITER: "forget"}
    return told | ({OPERATOR: carrier.operator} if carrier.operator else {})


class _Unrepeated(_FastAppendFiles):
    """An append that is given up when somebody committed first."""

    def _refresh_for_retry(self) -> None:
        raise CommitFailedException("somebody committed meanwhile")
