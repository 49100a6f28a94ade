"""Appends corrections to a table that Flink appends to at the same time."""

import logging
import time
from typing import Final

import pyarrow as pa
from pyiceberg.exceptions import CommitFailedException
from pyiceberg.table import Table

_log = logging.getLogger("millrace.corrector")
_ATTEMPTS: Final = 5
_PAUSE_S: Final = 1.0


def append(table: Table, rows: pa.Table) -> None:
    """Append rows in the table's own schema; raise CommitFailedException when others keep winning.

    PyIceberg commits the same files again a few times; after that they are written anew.
    """
    wanted = table.schema().as_arrow()
    fitting = rows.select(wanted.names).cast(wanted)
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            table.append(fitting, snapshot_properties={"millrace.writer": "corrector"})
        except CommitFailedException:
            if attempt == _ATTEMPTS:
                raise
            _log.warning("another writer committed to %s first, again", ".".join(table.name()))
            time.sleep(_PAUSE_S)
            table.refresh()
        else:
            return


def committed_id(table: Table, job_id: str) -> int:
    """Return the newest checkpoint of a Flink job that a table carries, -1 when it has none of it."""
    snapshot = table.current_snapshot()
    while snapshot is not None:
        summary = snapshot.summary
        if summary and summary["flink.job-id"] is not None:
            found = summary["flink.max-committed-checkpoint-id"]
            return int(found or -1) if summary["flink.job-id"] == job_id else -1
        parent = snapshot.parent_snapshot_id
        snapshot = table.snapshot_by_id(parent) if parent is not None else None
    return -1
