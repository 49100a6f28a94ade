"""Where Flink's Iceberg committers left off, as the snapshots of a table tell it.

A committer that starts again walks from the newest snapshot through its parents to the first that carries its
job and operator: checkpoints up to the one named there are committed. When the walk ends before, it takes
none for committed and commits what it restored a second time. So expiry keeps that way whole.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.snapshots import Snapshot, ancestors_of

JOB: Final = "flink.job-id"
OPERATOR: Final = "flink.operator-id"
CHECKPOINT: Final = "flink.max-committed-checkpoint-id"
# A job that was replaced by another may be brought back so long after its last commit.
_COMES_BACK_MS: Final = 3_600_000


class Carrier(NamedTuple):
    """A snapshot in which a committer told its newest checkpoint."""

    snapshot_id: int
    job: str
    operator: str
    checkpoint: int
    timestamp_ms: int


def carriers(metadata: TableMetadata) -> list[Carrier]:
    """Return the newest carrier of each job and operator on the way back from the newest snapshot."""
    found: dict[tuple[str, str], Carrier] = {}
    for snapshot in ancestors_of(metadata.current_snapshot(), metadata):
        carrier = _carrier(snapshot)
        if carrier:
            found.setdefault((carrier.job, carrier.operator), carrier)
    return list(found.values())


def _carrier(snapshot: Snapshot) -> Carrier | None:
    summary = snapshot.summary
    if summary is None or summary[JOB] is None or summary[CHECKPOINT] is None:
        return None
    job, operator, checkpoint = summary[JOB], summary[OPERATOR] or "", summary[CHECKPOINT]
    return Carrier(snapshot.snapshot_id, str(job), str(operator), int(str(checkpoint)), snapshot.timestamp_ms)


def needed_way(metadata: TableMetadata) -> Iterator[int]:
    """Yield the snapshots from the newest back to the oldest carrier that may be asked for, without a gap."""
    known = carriers(metadata)
    newest_ms = max((carrier.timestamp_ms for carrier in known), default=0)
    # The newest of all is kept however long the stream is down.
    wanted = {one.snapshot_id for one in known if one.timestamp_ms + _COMES_BACK_MS >= newest_ms}
    for snapshot in ancestors_of(metadata.current_snapshot(), metadata):
        if not wanted:
            return
        wanted.discard(snapshot.snapshot_id)
        yield snapshot.snapshot_id


def last_commit_ms(metadata: TableMetadata) -> int | None:
    """Return when a committer committed last (UTC ms), None when none ever did or it is not known."""
    return max((carrier.timestamp_ms for carrier in carriers(metadata)), default=None)
