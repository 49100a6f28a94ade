"""Reads of the lake that open few files: new rows since a snapshot, and rows of some devices and times."""

from collections.abc import Collection
from itertools import pairwise
from typing import Final

import pyarrow as pa
from pyiceberg.expressions import (
    AlwaysTrue,
    BooleanExpression,
    EqualTo,
    GreaterThanOrEqual,
    In,
    LessThan,
    NotEqualTo,
    Or,
)
from pyiceberg.table import Table
from pyiceberg.table.snapshots import is_ancestor_of

from catalog.archive import archived_rows
from catalog.filters import every, moment, predicate

# More names than this prune no files (PyIceberg's limit) and only cost time for each row.
MOST_NAMES: Final = 200
MOST_SPANS: Final = 12
_COUNTED: Final = predicate(NotEqualTo, "mark", "duplicate")
Spans = list[tuple[int, int]]


def late_since(table: Table, since: int | None, told_until_ms: int) -> pa.RecordBatchReader | None:
    """Return late readings appended to iot.readings after a snapshot; None = nothing was appended.

    Late is what is marked so, and what came after a snapshot that held all windows up to
    `told_until_ms` (event time) but belongs to one of them. Without that snapshot only the marks tell.
    """
    columns = (
        "tenant", "device_id", "event_time", "metrics", "location", "kafka_partition", "kafka_offset", "mark",
    )  # fmt: skip
    marked = predicate(EqualTo, "mark", "late")
    older = predicate(LessThan, "event_time", moment(max(told_until_ms, 0)))
    either = Or(marked, every([predicate(EqualTo, "mark", "on_time"), older]))
    return _new_rows(table, since, columns, either, marked)


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
    """Return readings that are no duplicates, of some devices, in spans [from, to) of event time (ms).

    Of old spans some may be in the archive; the table is refreshed to fit it.
    """
    columns = ("tenant", "device_id", "event_time", "metrics", "mark", *more)
    condition = every([_within("event_time", spans), _of(devices), _COUNTED])
    archived = list(archived_rows(table, condition, columns))
    warm = table.scan(row_filter=condition, selected_fields=columns).to_arrow_batch_reader()
    if not archived:
        return warm
    batches = (batch for part in (archived, warm.cast(archived[0].schema)) for batch in part)
    return pa.RecordBatchReader.from_batches(archived[0].schema, batches)


def published_windows(table: Table, devices: Collection[str], spans: Spans) -> pa.RecordBatchReader:
    """Return all revisions of windows of some devices that start in the spans."""
    return table.scan(
        row_filter=every([_within("window_start", spans), _of(devices)])
    ).to_arrow_batch_reader()


def published_sessions(table: Table, devices: Collection[str], span: tuple[int, int]) -> pa.RecordBatchReader:
    """Return all revisions of sessions of some devices that touch a span."""
    terms = [
        predicate(GreaterThanOrEqual, "session_end", moment(span[0])),
        predicate(LessThan, "session_start", moment(span[1])),
        _of(devices),
    ]
    return table.scan(row_filter=every(terms)).to_arrow_batch_reader()


def told_alerts(table: Table, ids: Collection[str], span: tuple[int, int]) -> pa.Table:
    """Return what iot.alert_events says of alerts with an onset in a span [from, to) of event time (ms)."""
    terms = [_within("onset", [span])]
    if len(ids) <= MOST_NAMES:
        terms.append(predicate(In, "alert_id", set(ids)))
    columns = ("tenant", "alert_id", "kind", "at", "retroactive")
    return table.scan(row_filter=every(terms), selected_fields=columns).to_arrow()


def joined_spans(spans: Collection[tuple[int, int]], most: int = MOST_SPANS) -> Spans:
    """Cover spans with at most `most`, leaving out the widest stretches between them."""
    found: Spans = []
    for begin, end in sorted(spans):
        if found and begin <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((begin, end))
    holes = sorted(range(1, len(found)), key=lambda place: found[place - 1][1] - found[place][0])
    cuts = sorted(holes[: most - 1])
    bounds = [0, *cuts, len(found)]
    return [(found[begin][0], found[end - 1][1]) for begin, end in pairwise(bounds) if begin < end]


def _within(column: str, spans: Spans) -> BooleanExpression:
    whole = [
        every(
            [
                predicate(GreaterThanOrEqual, column, moment(begin)),
                predicate(LessThan, column, moment(end)),
            ]
        )
        for begin, end in spans
    ]
    found = whole[0]
    for term in whole[1:]:
        found = Or(found, term)
    return found


def _of(devices: Collection[str]) -> BooleanExpression:
    if len(devices) > MOST_NAMES:
        return AlwaysTrue()
    return (
        predicate(In, "device_id", set(devices))
        if len(devices) > 1
        else predicate(EqualTo, "device_id", *devices)
    )
