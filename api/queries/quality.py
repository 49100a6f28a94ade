"""What data quality found last, and its pages.

The lake's libraries are loaded when they are first needed: they would triple the memory of an API nobody asks
for data quality.
"""

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from api.problems import ProblemError, WrongParameterError
from api.quality_answers import QualityCheck, QualityReport
from api.queries.lake_access import open_table
from millrace.clock import to_iso
from millrace.nearest import did_you_mean
from millrace.settings import Settings

if TYPE_CHECKING:
    from catalog.quality.finding import Finding

PAGES = "/quality/pages/"


def newest_findings(
    config: Settings, now_ms: int, table: str | None, day: str | None, passed: bool | None
) -> QualityReport:
    """Return the newest finding of each check and day; None asks for any."""
    from catalog.quality.results import TABLE, newest

    table = None if table is None else known_table(table)
    if day is not None:
        require_day(day)
    with open_table(config, TABLE) as results:
        found = [_check(one) for one in newest(results, now_ms)]
    chosen = [
        one
        for one in found
        if table in (None, one.table) and day in (None, one.day) and passed in (None, one.passed)
    ]
    failed = sum(not one.passed for one in chosen)
    return QualityReport(passed=not failed, failed=failed, checks=chosen, pages=PAGES)


def known_table(asked: str) -> str:
    """Return the table of a suite, with or without its namespace."""
    from catalog.quality.suite import suites

    known = sorted({suite.table for suite in suites().values()})
    name = asked.removeprefix("iot.")
    if name not in known:
        raise WrongParameterError(
            "table",
            f"no suite looks at a table {asked!r}{did_you_mean(name, known)}",
            accepted=", ".join(known),
        )
    return name


def require_day(day: str) -> None:
    """Raise WrongParameterError for a day that no calendar has."""
    try:
        date.fromisoformat(day)
    except ValueError:
        raise WrongParameterError(
            "day", f"there is no day {day}", accepted="a day such as 2026-01-31"
        ) from None


def read_page(config: Settings, place: str) -> str:
    """Return a page; ProblemError (404) when there is none."""
    from catalog.quality.pages import FOLDER

    try:
        return (Path(config.folder) / FOLDER / place).read_text()
    except OSError:
        raise ProblemError(
            404,
            "unknown-page",
            f"There is no page {place!r} of data quality.",
            where="page",
            mend="The first look is two minutes after `millrace up`; GET /quality/pages/ lists its pages.",
        ) from None


def _check(one: "Finding") -> QualityCheck:
    from catalog.quality.pages import page_of

    return QualityCheck(
        suite=one.suite,
        check=one.check,
        table=one.table,
        day=to_iso(one.day_ms)[:10],
        passed=one.passed,
        observed=one.observed,
        expected=one.expected,
        unexpected_count=one.unexpected_count,
        unexpected_percent=one.unexpected_percent,
        examples=one.examples,
        snapshot_id=one.snapshot_id,
        checked_at=to_iso(one.checked_at_ms),
        checked_at_ms=one.checked_at_ms,
        page=f"{PAGES}{page_of(one)}",
    )
