"""Takes what is new of readings, rollups, dead letters and accounts into the ledger's state."""

from collections import Counter
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from catalog.backfills import PARTITION as BACKFILLED
from catalog.ledger_offsets import Span
from catalog.ledger_state import Books, LedgerState, PartitionBook
from catalog.marks import MARKS
from millrace.reading import DECLARED, declared_source

READING_COLUMNS = (
    "tenant",
    "device_id",
    "event_time",
    "metrics",
    "received_at",
    "source",
    "kafka_partition",
    "kafka_offset",
    "mark",
)
ROLLUP_COLUMNS = ("tenant", "device_id", "metric", "window_start", "count", "revision")
DEAD_LETTER_COLUMNS = ("kafka_partition", "kafka_offset", "reason", "received_at")
FORGOTTEN_COLUMNS = ("topic", "kafka_partition", "kafka_offset", "received_at")
# What a gateway writes it accounts for; this came straight to Kafka.
DIRECT_SOURCES = ("kafka", *(declared_source("kafka", declared) for declared in DECLARED))
TELEMETRY = "telemetry"
DEAD_LETTERS = "telemetry.dead-letter"
_MINUTE_US = 60_000_000
Flags = npt.NDArray[np.bool_]


@cache
def sql(name: str) -> str:
    """Return one of the ledger's queries."""
    return (Path(__file__).parent / f"{name}.sql").read_text()


def query(name: str, **relations: pa.Table) -> dict[str, npt.NDArray[Any]]:
    """Run a query over Arrow tables; columns as arrays."""
    with duckdb.connect(config={"threads": 2}) as connection:
        # Times must not be turned into the zone of the machine.
        connection.execute("SET TimeZone = 'UTC'")
        for relation, rows in relations.items():
            connection.register(relation, rows)
        return dict(connection.execute(sql(name)).fetchnumpy())


def fold_readings(state: LedgerState, rows: pa.Table) -> None:
    """Take rows of `iot.readings`, each counted once however often it is stored."""
    backfilled = _numbers(rows, "kafka_partition") == BACKFILLED
    direct = np.logical_or.reduce([_equal(rows, "source", source) for source in DIRECT_SOURCES])
    repeated = _store(state.readings, rows)
    # No gateway tells of what is imported, either.
    for partition, offsets in _by_partition(rows, direct | backfilled):
        _book(state.readings, partition).direct.add(offsets)
    marks = {mark: _equal(rows, "mark", mark) for mark in MARKS}
    unmarked = ~np.logical_or.reduce(list(marks.values()))
    state.minutes.add(
        _minutes(rows),
        **marks,
        direct=direct & ~repeated,
        backfilled=backfilled & ~repeated,
        repeated=repeated,
        unmarked=unmarked,
    )
    found = query("ledger_expected", batch=rows)
    state.windows.add(found.pop("minute"), **found)


def fold_marks(state: LedgerState, before: pa.Table, after: pa.Table) -> None:
    """Take the difference that changed marks make: rows of `iot.readings` as they were and as they are."""
    for rows, sign in ((before, -1), (after, 1)):
        # Sums wrap at 2^64, so what is taken away is added as its complement.
        factor = np.array(sign, dtype=np.int64).astype(np.uint64)
        marks = {mark: _equal(rows, "mark", mark).astype(np.uint64) * factor for mark in MARKS}
        state.minutes.add(_minutes(rows), **marks)
        found = query("ledger_expected", batch=rows)
        minute, newest_ms = found.pop("minute"), found.pop("newest_ms")
        points = {name: column.astype(np.uint64) * factor for name, column in found.items()}
        state.windows.add(minute, **points, **({"newest_ms": newest_ms} if sign > 0 else {}))


def fold_dead_letters(state: LedgerState, rows: pa.Table) -> None:
    """Take rows of `iot.dead_letters`."""
    repeated = _store(state.dead_letters, rows)
    state.minutes.add(_minutes(rows), dead_stored=~repeated)
    for reason, count in Counter(rows.filter(pa.array(~repeated)).column("reason").to_pylist()).items():
        state.reasons.setdefault(reason, [0, 0])[1] += count


def fold_forgotten(state: LedgerState, rows: pa.Table, topic: str) -> None:
    """Take rows of `iot.forgotten` of one topic, each place once."""
    own = rows.filter(pc.equal(rows.column("topic"), topic))
    partitions, offsets = (_numbers(own, name) for name in ("kafka_partition", "kafka_offset"))
    is_dead = topic != TELEMETRY
    books, column = (state.dead_letters, "dead_forgotten") if is_dead else (state.readings, "forgotten")
    repeated = np.zeros(len(own), dtype=np.bool_)
    for partition in np.unique(partitions).tolist():
        here = np.flatnonzero(partitions == partition)
        repeated[here] = _book(books, partition).forgotten.add(offsets[here])
    state.minutes.add(_minutes(own), **{column: ~repeated})


def fold_rollups(state: LedgerState, rows: pa.Table) -> npt.NDArray[np.int64]:
    """Take rows of `iot.rollups_1m`; return the minutes whose answer must be looked up again."""
    found = query("ledger_rollups", batch=rows)
    minute, revision = found.pop("minute"), found.pop("revision")
    state.published_minute = max([state.published_minute, *_largest(minute)])
    state.windows.add(minute, **found)
    corrected: npt.NDArray[np.int64] = minute[revision > 0]
    return corrected


def fold_answers(state: LedgerState, minutes: npt.NDArray[np.int64], rows: pa.Table) -> None:
    """Set what the rollups of some minutes hold, given all their rows."""
    found = query("ledger_answers", batch=rows)
    zero = np.zeros(len(minutes), dtype=np.uint64)
    state.windows.put(minutes, found=zero, found_hash=zero)
    state.windows.put(found.pop("minute"), **found)


def fold_account(state: LedgerState, account: dict[str, Any]) -> None:
    """Take one gateway's account; the same one again adds nothing."""
    for runs, books, column in (
        (account["readings"], state.readings, "accounted"),
        (account["dead_letters"], state.dead_letters, "dead_accounted"),
    ):
        for run in runs:
            new = _book(books, run["partition"]).accounted.add_span(Span(run["first"], run["last"]))
            state.minutes.add(np.array([run["minute"]]), **{column: np.array([new])})
            if "reason" in run:
                state.reasons.setdefault(run["reason"], [0, 0])[0] += new


def _store(books: Books, rows: pa.Table) -> Flags:
    partitions, offsets = (_numbers(rows, name) for name in ("kafka_partition", "kafka_offset"))
    repeated = np.zeros(len(rows), dtype=np.bool_)
    for partition in np.unique(partitions).tolist():
        here = np.flatnonzero(partitions == partition)
        repeated[here] = _book(books, partition).stored.add(offsets[here])
        _book(books, partition).repeat(offsets[here][repeated[here]])
    return repeated


def _by_partition(rows: pa.Table, wanted: Flags) -> Iterable[tuple[int, npt.NDArray[np.int64]]]:
    partitions, offsets = (_numbers(rows, name)[wanted] for name in ("kafka_partition", "kafka_offset"))
    for partition in np.unique(partitions).tolist():
        yield partition, offsets[partitions == partition]


def _book(books: Books, partition: int) -> PartitionBook:
    return books.setdefault(partition, PartitionBook())


def _numbers(rows: pa.Table, name: str) -> npt.NDArray[np.int64]:
    numbers: npt.NDArray[np.int64] = rows.column(name).to_numpy().astype(np.int64)
    return numbers


def _equal(rows: pa.Table, name: str, text: str) -> Flags:
    flags: Flags = pc.equal(rows.column(name), text).to_numpy().astype(np.bool_)
    return flags


def _minutes(rows: pa.Table) -> npt.NDArray[np.int64]:
    minutes: npt.NDArray[np.int64] = rows.column("received_at").cast(pa.int64()).to_numpy() // _MINUTE_US
    return minutes


def _largest(minutes: npt.NDArray[np.int64]) -> list[int]:
    return [int(minutes.max())] if len(minutes) else []
