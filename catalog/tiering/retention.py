"""Deletes readings older than their profile keeps any; their places are noted for the ledger first."""

import logging
from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.exceptions import CommitFailedException, ValidationException
from pyiceberg.expressions import AlwaysTrue
from pyiceberg.io.pyarrow import ArrowScan
from pyiceberg.manifest import DataFile
from pyiceberg.table import FileScanTask, Table
from pyiceberg.table.snapshots import Operation

from catalog.maintenance.replacing import WRITER, Swap, commit
from catalog.table_types import arrow_schema, concat_rows
from catalog.tiering.moving import Moved

_log = logging.getLogger("millrace.tiering")
_TOPIC = "telemetry"


def delete(archive: Table, forgotten: Table, files: Iterable[DataFile]) -> Moved:
    """Delete whole files of the archive; a place noted twice is the same message."""
    done = Moved()
    for file in files:
        _note(archive, forgotten, file)
        try:
            commit(archive, Swap([file], [], Operation.DELETE, {WRITER: "retention"}))
        except (CommitFailedException, ValidationException) as error:
            _log.info("others were first, deleted later: %s", error)
            archive.refresh()
            continue
        done = Moved(done.rows + file.record_count, done.files + 1)
    return done


def _note(archive: Table, forgotten: Table, file: DataFile) -> None:
    schema = archive.schema().select("kafka_partition", "kafka_offset", "received_at")
    scan = ArrowScan(archive.metadata, archive.io, schema, AlwaysTrue())
    target = arrow_schema(forgotten.schema())
    parts = (_places(batch) for batch in scan.to_record_batches([FileScanTask(file)]))
    forgotten.append(concat_rows(parts, target), snapshot_properties={WRITER: "retention"})


def _places(batch: pa.RecordBatch) -> pa.Table:
    return pa.table(
        {
            "topic": pa.array([_TOPIC] * batch.num_rows),
            "kafka_partition": batch.column("kafka_partition"),
            "kafka_offset": batch.column("kafka_offset"),
            "received_at": pc.floor_temporal(batch.column("received_at"), unit="minute"),
        }
    )
