"""Settles which rows of iot.readings say something again, and which replace others of their time.

Asked for some devices and times; how it is decided is in docs/adr/0010-identity-comes-from-content.md. The
caller's DuckDB connection computes, in the memory it allows.
"""

from typing import Final

import duckdb
import pyarrow as pa
from pyiceberg.table import Table

from catalog.archive import archived_rows
from catalog.filters import MOST_NAMES, Spans, every, joined_spans, of_devices, within_spans
from catalog.remarking import remark
from catalog.statements import statements
from catalog.table_types import arrow_schema

_PLACES: Final = ("tenant", "device_id", "event_time", "kafka_partition", "kafka_offset")
_ROWS: Final = (*_PLACES, "event_id", "metrics", "received_at", "source", "mark")
_MINUTE_MS: Final = 60_000


def settle_repetitions(connection: duckdb.DuckDBPyConnection, readings: Table) -> pa.Table:
    """Mark what is repeated or replaced at the times of `touched_time`; return the rows whose mark changed.

    `touched_time` is a table of the connection: tenant, device_id, event_time_ms. The answer holds these
    columns, kafka_partition, kafka_offset and the new mark. CommitFailedException when others keep winning:
    then some marks may be changed already, and asking again does the rest.
    """
    changes = find_repetitions(connection, readings)
    if changes.num_rows:
        remark(readings, changes)
    return changes


def find_repetitions(connection: duckdb.DuckDBPyConnection, readings: Table) -> pa.Table:
    """Return the rows whose mark must change, as `settle_repetitions` does; nothing is written.

    Leaves the table `rival`: all rows of the times that several share.
    """
    _run(connection, "shared_time", readings, "touched_time", "stored_places", _PLACES)
    _run(connection, "rival", readings, "shared_time", "stored_rows", _ROWS)
    for name in ("said_again", "kept_out"):
        connection.execute(_sql(name))
    return connection.execute(_sql("changes")).to_arrow_table()


def _run(
    connection: duckdb.DuckDBPyConnection,
    statement: str,
    readings: Table,
    times: str,
    relation: str,
    columns: tuple[str, ...],
) -> None:
    """Run a statement over the stored rows of the devices and minutes in a table of times."""
    devices, spans = _asked(connection, times)
    rows = _stored(readings, devices, spans, columns) if spans else _empty(readings, columns)
    connection.register(relation, rows)
    connection.execute(_sql(statement))
    connection.unregister(relation)


def _asked(connection: duckdb.DuckDBPyConnection, times: str) -> tuple[set[str], Spans]:
    query = f"SELECT DISTINCT device_id FROM {times} LIMIT {MOST_NAMES + 1}"
    devices = {str(row[0]) for row in connection.execute(query).fetchall()}
    query = f"SELECT DISTINCT event_time_ms - event_time_ms % {_MINUTE_MS} FROM {times}"
    starts = [int(row[0]) for row in connection.execute(query).fetchall()]
    return devices, joined_spans([(start, start + _MINUTE_MS) for start in starts]) if starts else []


def _stored(
    readings: Table, devices: set[str], spans: Spans, columns: tuple[str, ...]
) -> pa.RecordBatchReader:
    condition = every([within_spans("event_time", spans), of_devices(devices)])
    archived = list(archived_rows(readings, condition, columns))
    warm = readings.scan(row_filter=condition, selected_fields=columns).to_arrow_batch_reader()
    if not archived:
        return warm
    batches = (batch for part in (archived, warm.cast(archived[0].schema)) for batch in part)
    return pa.RecordBatchReader.from_batches(archived[0].schema, batches)


def _empty(readings: Table, columns: tuple[str, ...]) -> pa.Table:
    return arrow_schema(readings.schema().select(*columns)).empty_table()


def _sql(name: str) -> str:
    return statements("repetitions")[name].decode()
