"""Reads of the lake that open few files: new rows since a snapshot, and rows of some devices and times."""

from collections.abc import Collection

import pyarrow as pa
from pyiceberg.expressions import (
    AlwaysTrue,
    BooleanExpression,
    EqualTo,
    GreaterThanOrEqual,
    In,
    LessThan,
    Or,
    StartsWith,
)
from pyiceberg.table import Table
from pyiceberg.table.snapshots import is_ancestor_of

from catalog.archive import archived_rows
from catalog.filters import MOST_NAMES, Spans, every, moment, of_devices, predicate, within_spans
from catalog.marks import LATE, ON_TIME, counted_rows
from millrace.reading import DECLARED, declared_source


def late_since(table: Table, since: int | None, told_until_ms: int) -> pa.RecordBatchReader | None:
    """Return late and declared readings appended to iot.readings after a snapshot; None = nothing was.

    Late is what is marked so, and what came after a snapshot that held all windows up to
    `told_until_ms` (event time) but belongs to one of them. Without that snapshot only the marks tell.
    A declared one says what becomes of other values for its time, whenever it came.
    """
    columns = (
        "tenant", "device_id", "event_time", "metrics", "location", "kafka_partition", "kafka_offset", "mark",
        "source",
    )  # fmt: skip
    marked = predicate(EqualTo, "mark", LATE)
    older = predicate(LessThan, "event_time", moment(max(told_until_ms, 0)))
    declared = [predicate(StartsWith, "source", declared_source("", name)) for name in DECLARED]
    told = Or(older, *declared)
    either = Or(marked, every([predicate(EqualTo, "mark", ON_TIME), told]))
    return _new_rows(table, since, columns, either, Or(marked, *declared))


def sessions_since(table: Table, since: int | None) -> pa.RecordBatchReader | None:
    """Return the devices of sessions appended to iot.sessions after a snapshot; None = nothing was."""
    return _new_rows(table, since, ("tenant", "device_id"), AlwaysTrue(), AlwaysTrue())


def _new_rows(
    table: Table,
    since: int | None,
    columns: tuple[str, ...],
    wanted: BooleanExpression,
    wanted_of_all: BooleanExpression,
) -> pa.RecordBatchReader | None:
    newest = table.current_snapshot()
    if newest is None or newest.snapshot_id == since:
        return None
    known = since is not None and table.snapshot_by_id(since) is not None
    if since is not None and known and is_ancestor_of(newest.snapshot_id, since, table.metadata):
        return table.incremental_append_scan(
            row_filter=wanted,
            selected_fields=columns,
            from_snapshot_id_exclusive=since,
            to_snapshot_id_inclusive=newest.snapshot_id,
        ).to_arrow_batch_reader()
    # Expired or rolled back: what is already taken is told apart by its offsets.
    return table.scan(row_filter=wanted_of_all, selected_fields=columns).to_arrow_batch_reader()


def counted_readings(
    table: Table, devices: Collection[str], spans: Spans, more: tuple[str, ...] = ()
) -> pa.RecordBatchReader:
    """Return readings that count, of some devices, in spans [from, to) of event time (ms).

    Of old spans some may be in the archive; the table is refreshed to fit it.
    """
    columns = ("tenant", "device_id", "event_time", "metrics", "mark", *more)
    condition = every([within_spans("event_time", spans), of_devices(devices), counted_rows()])
    archived = list(archived_rows(table, condition, columns))
    warm = table.scan(row_filter=condition, selected_fields=columns).to_arrow_batch_reader()
    if not archived:
        return warm
    batches = (batch for part in (archived, warm.cast(archived[0].schema)) for batch in part)
    return pa.RecordBatchReader.from_batches(archived[0].schema, batches)


def published_windows(table: Table, devices: Collection[str], spans: Spans) -> pa.RecordBatchReader:
    """Return all revisions of windows of some devices that start in the spans."""
    return table.scan(
        row_filter=every([within_spans("window_start", spans), of_devices(devices)])
    ).to_arrow_batch_reader()


def published_sessions(table: Table, devices: Collection[str], span: tuple[int, int]) -> pa.RecordBatchReader:
    """Return all revisions of sessions of some devices that touch a span."""
    terms = [
        predicate(GreaterThanOrEqual, "session_end", moment(span[0])),
        predicate(LessThan, "session_start", moment(span[1])),
        of_devices(devices),
    ]
    return table.scan(row_filter=every(terms)).to_arrow_batch_reader()


def told_alerts(table: Table, ids: Collection[str], span: tuple[int, int]) -> pa.Table:
    """Return what iot.alert_events says of alerts with an onset in a span [from, to) of event time (ms)."""
    terms = [within_spans("onset", [span])]
    if len(ids) <= MOST_NAMES:
        terms.append(predicate(In, "alert_id", set(ids)))
    columns = ("tenant", "alert_id", "kind", "at", "retroactive")
    return table.scan(row_filter=every(terms), selected_fields=columns).to_arrow()
