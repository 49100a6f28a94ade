"""The shapes of the answers about data quality."""

from typing import Any

from pydantic import Field

from api.answers import Answer, IsoTime, TimeMs


class QualityCheck(Answer):
    """What one check of a suite found when it was last made in one day of a table."""

    suite: str
    check: str
    table: str
    day: str = Field(description="The day that was looked at, UTC.", examples=["2026-01-31"])
    passed: bool
    observed: str = Field(description="What was found, in words.")
    expected: str = Field(description="The expectation and its arguments.")
    unexpected_count: int = Field(description="Rows of the check's view that are not as expected.")
    unexpected_percent: float
    examples: list[dict[str, Any]] = Field(description="Some of those rows: what names them, their values.")
    snapshot_id: int = Field(description="Snapshot of the table that was read.")
    checked_at: IsoTime
    checked_at_ms: TimeMs
    page: str = Field(description="Where the page of the check is, see `/quality/pages/`.")


class QualityReport(Answer):
    """The newest findings of the last 8 days; `passed` when none of them failed."""

    passed: bool
    failed: int
    checks: list[QualityCheck]
    pages: str = Field(description="The same as pages for people.")
