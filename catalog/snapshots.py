"""Snapshots of a table: the one of a time, the one of an id, and what is said of one that is gone."""

from pyiceberg.table import Table
from pyiceberg.table.snapshots import Snapshot

from millrace.clock import to_iso
from millrace.errors import MillraceError


class UnknownSnapshotError(MillraceError):
    """No table that was asked has such a snapshot."""


class GoneSnapshotError(MillraceError):
    """The snapshot was there and is kept no longer."""


def snapshot_at(table: Table, time_ms: int) -> Snapshot | None:
    """Return the snapshot that was newest at a time, None before the first; GoneSnapshotError if expired."""
    log = table.history()
    entry = next((one for one in reversed(log) if one.timestamp_ms <= time_ms), None)
    if entry is None and not _begins_with_the_table(table):
        raise _gone(table, f"of {to_iso(time_ms)}")
    if entry is None:
        return None
    found = table.snapshot_by_id(entry.snapshot_id)
    if found is None:
        raise _gone(table, f"of {to_iso(time_ms)}")
    return found


def _begins_with_the_table(table: Table) -> bool:
    """Return whether the oldest snapshot that is kept is the first there was.

    Its parent does not tell: it is forgotten when the parent expires.
    """
    numbers = [one.sequence_number or 0 for one in table.snapshots()]
    return min(numbers, default=1) <= 1


def kept_snapshot(table: Table, snapshot_id: int) -> Snapshot:
    """Return a snapshot by its id; GoneSnapshotError when the table keeps none such (any longer)."""
    found = table.snapshot_by_id(snapshot_id)
    if found is None:
        raise _gone(table, str(snapshot_id))
    return found


def _gone(table: Table, which: str) -> GoneSnapshotError:
    log = table.history()
    since = f"The oldest that is kept is of {to_iso(log[0].timestamp_ms)}." if log else "It is empty."
    return GoneSnapshotError(
        f"the snapshot {which} of {'.'.join(table.name())} is kept no longer",
        where="as_of",
        mend=f"Ask for a later one. {since}",
    )
