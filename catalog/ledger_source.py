"""Takes the ledger: cuts the topics, waits for the lake, reads what is new, judges, names what is wrong."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NoSuchTableError
from pyiceberg.expressions import EqualTo
from pyiceberg.table import Table

from catalog.archive import archived_count, load_archive
from catalog.backfills import PARTITION as BACKFILLED
from catalog.backfills import backfilled_end
from catalog.filters import predicate
from catalog.lake import NAMESPACE, load_lake
from catalog.ledger import Finding, Ledger, judge, missing_spans
from catalog.ledger_files import new_rows, only_grew, remarked_rows, rows_where, snapshot_of, within
from catalog.ledger_fold import (
    DEAD_LETTER_COLUMNS,
    DEAD_LETTERS,
    FORGOTTEN_COLUMNS,
    READING_COLUMNS,
    ROLLUP_COLUMNS,
    TELEMETRY,
    fold_account,
    fold_answers,
    fold_dead_letters,
    fold_forgotten,
    fold_marks,
    fold_readings,
    fold_rollups,
)
from catalog.ledger_kafka import LedgerLog, open_log
from catalog.ledger_minutes import LATE_PATIENCE_MS, MINUTE_MS, Cut
from catalog.ledger_places import look_up, missing_by_minute, name_gaps, name_partitions, name_windows
from catalog.ledger_state import LedgerState
from catalog.table_types import arrow_schema, concat_rows
from millrace.clock import now_ms, to_iso
from millrace.settings import Settings

_LOOK_EVERY_S = 0.25
_REST_PER_LOOK = 4
# Rows of corrected windows that are looked up at once.
_ANSWERS_AT_ONCE = 500_000


class Tables(NamedTuple):
    """The tables of one look; dead letters may not be stored yet."""

    rollups: Table
    readings: Table
    dead_letters: Table | None
    forgotten: Table | None = None


class Look(NamedTuple):
    """One ledger and all it was taken from; `log` is open as long as the look lasts."""

    state: LedgerState
    tables: Tables
    cut: Cut
    log: LedgerLog
    ledger: Ledger


@contextmanager
def taken(settings: Settings, settle_s: float, known: LedgerState) -> Iterator[Look]:
    """Cut the topics at their ends now, wait for the lake to reach the cut, then balance.

    Waits at most `settle_s` seconds: rows become visible with the stream's checkpoint. What has not
    arrived by then shows as missing. Reads only what `known` has not seen.
    """
    with open_log(settings.address("kafka")) as log:
        # First: what is imported meanwhile is then stored without being in the book, which is no fault.
        backfilled = backfilled_end(settings)
        ends, dead_ends = log.ends(TELEMETRY), log.ends(DEAD_LETTERS)
        if backfilled:
            ends[BACKFILLED] = backfilled
        tables = _settled(load_lake(settings), sum(ends.values()), sum(dead_ends.values()), settle_s)
        state = catch_up(known, tables)
        for record in log.accounts(state.accounts_offset):
            fold_account(state, record.fields)
            state.accounts_offset = record.offset + 1
        at_ms = now_ms()
        mark_ms = log.clock_mark_ms(at_ms - LATE_PATIENCE_MS)
        cut = Cut(
            now_ms=at_ms,
            ends=ends,
            dead_ends=dead_ends,
            last_ends=log.ends(TELEMETRY),
            overdue_ms=mark_ms - settings.telemetry.out_of_orderness_ms,
            dead_letter_table=tables.dead_letters is not None,
        )
        yield Look(state, tables, cut, log, balance(state, tables, cut, log))


def balance(state: LedgerState, tables: Tables, cut: Cut, log: LedgerLog) -> Ledger:
    """Judge what is known at a cut and name what is wrong."""
    gaps = missing_spans(state.readings, cut.ends)
    missing = look_up(log, TELEMETRY, gaps)
    findings = list(name_gaps(TELEMETRY, gaps, missing))
    if cut.dead_letter_table:
        dead_gaps = missing_spans(state.dead_letters, cut.dead_ends)
        findings += name_gaps(DEAD_LETTERS, dead_gaps, look_up(log, DEAD_LETTERS, dead_gaps))
    ledger = judge(state, cut, missing_by_minute(missing))
    findings += name_partitions(ledger)
    findings += name_windows(tables.readings, tables.rollups, ledger.windows.wrong)
    findings += _unexplained(ledger, findings)
    ledger.findings.extend(findings)
    return ledger


def catch_up(known: LedgerState, tables: Tables) -> LedgerState:
    """Read what was appended since the last look; after any other change start from the beginning."""
    seen = {"rollups_1m": tables.rollups, "readings": tables.readings}
    if tables.dead_letters is not None:
        seen["dead_letters"] = tables.dead_letters
    if tables.forgotten is not None:
        seen["forgotten"] = tables.forgotten
    archive = load_archive(tables.readings)
    if archive is not None:
        seen["archive"] = archive
    whole = all(only_grew(table, known.snapshots.get(name, 0)) for name, table in seen.items())
    state = known if whole else LedgerState()
    since = dict(state.snapshots)
    try:
        return _caught_up(state, tables, seen, since)
    except FileNotFoundError:
        # Files that held rows under their earlier marks are gone by now.
        return _caught_up(LedgerState(), tables, seen, {})


def _caught_up(
    state: LedgerState, tables: Tables, seen: Mapping[str, Table], since: Mapping[str, int]
) -> LedgerState:
    for rows in new_rows(tables.readings, since.get("readings", 0), READING_COLUMNS):
        fold_readings(state, rows)
    if since.get("readings"):
        # What is read whole has the marks of now.
        for name in {"readings", "archive"} & seen.keys():
            for before, after in remarked_rows(seen[name], since.get(name, 0), READING_COLUMNS):
                fold_marks(state, before, after)
    if tables.dead_letters is not None:
        for rows in new_rows(tables.dead_letters, since.get("dead_letters", 0), DEAD_LETTER_COLUMNS):
            fold_dead_letters(state, rows)
    if tables.forgotten is not None:
        for rows in new_rows(tables.forgotten, since.get("forgotten", 0), FORGOTTEN_COLUMNS):
            for topic in (TELEMETRY, DEAD_LETTERS):
                fold_forgotten(state, rows, topic)
    _rollups(state, tables.rollups, since.get("rollups_1m", 0))
    state.snapshots |= {name: snapshot_of(table) for name, table in seen.items()}
    return state


def await_rows(lake: Catalog, name: str, rows: int, patience_s: float) -> Table:
    """Return a table once it holds so many rows, or as it is when patience ends."""
    deadline = time.monotonic() + patience_s
    while True:
        began = time.monotonic()
        table = lake.load_table((NAMESPACE, name))
        now = time.monotonic()
        if stored_rows(table) >= rows or now >= deadline:
            return table
        # A table of many snapshots takes long to load: looking must not become the work.
        time.sleep(max(_LOOK_EVERY_S, _REST_PER_LOOK * (now - began)))


def stored_rows(table: Table) -> int:
    """Return the row count, the archive's included, from the newest snapshots' summaries."""
    snapshot = table.current_snapshot()
    warm = int(snapshot.summary["total-records"] or 0) if snapshot and snapshot.summary else 0
    return warm + archived_count(table)


def _settled(lake: Catalog, rows: int, dead: int, settle_s: float) -> Tables:
    began = time.monotonic()
    gone, dead_gone = (_forgotten_rows(lake, topic) for topic in (TELEMETRY, DEAD_LETTERS))
    # Rollups first: they must not know of readings that were not read.
    rollups = lake.load_table((NAMESPACE, "rollups_1m"))
    readings = await_rows(lake, "readings", rows - gone, settle_s)
    try:
        left_s = settle_s - (time.monotonic() - began)
        dead_letters = await_rows(lake, "dead_letters", dead - dead_gone, left_s)
    except NoSuchTableError:
        dead_letters = None
    # Last: a place is noted before its row goes, so what is not stored is in it.
    return Tables(rollups, readings, dead_letters, _forgotten(lake))


def _forgotten(lake: Catalog) -> Table | None:
    try:
        return lake.load_table((NAMESPACE, "forgotten"))
    except NoSuchTableError:
        return None


def _forgotten_rows(lake: Catalog, topic: str) -> int:
    table = _forgotten(lake)
    if table is None or table.current_snapshot() is None:
        return 0
    return table.scan(row_filter=predicate(EqualTo, "topic", topic)).count()


def _rollups(state: LedgerState, table: Table, since: int) -> None:
    corrected: set[int] = set()
    for rows in new_rows(table, since, ROLLUP_COLUMNS):
        corrected.update(fold_rollups(state, rows).tolist())
    for minutes in _groups(state, np.array(sorted(corrected), dtype=np.int64)):
        fold_answers(state, minutes, _rows_of(table, minutes))


def _groups(state: LedgerState, minutes: npt.NDArray[np.int64]) -> Iterator[npt.NDArray[np.int64]]:
    sizes = state.windows.at(minutes, "rollups").astype(np.int64).cumsum()
    if len(minutes):
        yield from np.split(minutes, np.flatnonzero(np.diff(sizes // _ANSWERS_AT_ONCE)) + 1)


def _rows_of(table: Table, minutes: npt.NDArray[np.int64]) -> pa.Table:
    condition = within("window_start", int(minutes[0]), int(minutes[-1]))
    pieces = (_only(rows, minutes) for rows in rows_where(table, condition, ROLLUP_COLUMNS))
    return concat_rows(pieces, arrow_schema(table.schema().select(*ROLLUP_COLUMNS)))


def _only(rows: pa.Table, minutes: npt.NDArray[np.int64]) -> pa.Table:
    minute = rows.column("window_start").cast(pa.int64()).to_numpy() // (MINUTE_MS * 1000)
    return rows.filter(pa.array(np.isin(minute, minutes)))


def _unexplained(ledger: Ledger, named: list[Finding]) -> list[Finding]:
    if ledger.balanced or named:
        return []
    return [
        Finding(what="minute", says=minute.note, where={"minute": to_iso(minute.minute_ms)})
        for minute in ledger.wrong_minutes()
    ]
