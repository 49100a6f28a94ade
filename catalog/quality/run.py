"""One look at one day of one table: read it once, look at it by its views, have each judged."""

import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import duckdb
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NoSuchTableError

from catalog.lake import NAMESPACE
from catalog.quality.day_rows import Source, Span, day_of, day_rows
from catalog.quality.finding import Finding
from catalog.quality.judge import Judged, judge
from catalog.quality.suite import Suite
from catalog.quality.terms import Terms

if TYPE_CHECKING:
    import pandas as pd

_log = logging.getLogger("millrace.quality")


class Bench(NamedTuple):
    """What a look needs: the lake, terms of a day ([from_ms, until_ms)), and a folder for what is passing."""

    lake: Catalog
    terms: Callable[[int, int], Terms]
    scratch: Path


class Look(NamedTuple):
    """What was found in one day, and by view what the pages show."""

    suite: Suite
    span: Span
    findings: list[Finding]
    judged: dict[str, Judged]


def look_at(bench: Bench, suite: Suite, span: Span) -> Look | None:
    """Check one day of a suite's table; None while there is no such table, or nothing was ever stored."""
    source = _source(bench.lake, suite)
    if source is None:
        return None
    terms = bench.terms(span.from_ms, span.until_ms)
    with day_rows(source, span, terms, bench.scratch) as connection:
        judged = dict(_judged(connection, suite))
    look = Look(suite, span, _findings(suite, source, span, judged), judged)
    _log.info("checked suite=%s day_ms=%d failed=%s", suite.name, span.from_ms, _failed(look))
    return look


def days_due(now_ms: int, failed_days_ms: Sequence[int], most_failed: int) -> list[int]:
    """Return the days to look at: those that failed (the newest of them), yesterday and today."""
    today = day_of(now_ms)
    recent = {day_of(today - 1), today}
    older = sorted(set(failed_days_ms) - recent)[-most_failed:] if most_failed else []
    return [*older, *sorted(recent)]


def _source(lake: Catalog, suite: Suite) -> Source | None:
    try:
        table = lake.load_table((NAMESPACE, suite.table))
    except NoSuchTableError:
        return None
    snapshot = table.current_snapshot()
    if snapshot is None:
        return None
    return Source(table, snapshot.snapshot_id, suite.columns, suite.day, suite.fresh)


def _judged(connection: duckdb.DuckDBPyConnection, suite: Suite) -> Iterator[tuple[str, Judged]]:
    for view, names in suite.views.items():
        frame = _frame(connection, suite, view)
        yield view, judge(frame, f"{suite.name}.{view}", suite.checks_of(view), names)


def _frame(connection: duckdb.DuckDBPyConnection, suite: Suite, view: str) -> "pd.DataFrame":
    statement = suite.statements.get(view)
    found = connection.table(suite.table) if statement is None else connection.sql(statement.decode())
    return found.df()


def _findings(suite: Suite, source: Source, span: Span, judged: dict[str, Judged]) -> list[Finding]:
    verdicts = [verdict for view in suite.views for verdict in judged[view].verdicts]
    return [
        Finding(
            suite=suite.name,
            check=one.check.check,
            table=suite.table,
            day_ms=span.from_ms,
            passed=one.passed,
            observed=one.observed,
            expected=one.check.expected,
            unexpected_count=one.unexpected_count,
            unexpected_percent=one.unexpected_percent,
            examples=one.examples,
            snapshot_id=source.snapshot_id,
            checked_at_ms=span.now_ms,
        )
        for one in verdicts
    ]


def _failed(look: Look) -> str:
    return ",".join(one.check for one in look.findings if not one.passed) or "none"
