"""What a look found: one finding for each check of a suite, as `iot.quality` holds it."""

from typing import Any, NamedTuple


class Finding(NamedTuple):
    """What one check found in one day of a table; times are UTC epoch milliseconds.

    `examples` are rows of the check's view that are not as expected: what names them, and their values.
    """

    suite: str
    check: str
    table: str
    day_ms: int
    passed: bool
    observed: str
    expected: str
    unexpected_count: int
    unexpected_percent: float
    examples: list[dict[str, Any]]
    snapshot_id: int
    checked_at_ms: int


def failed(findings: list[Finding]) -> list[Finding]:
    """Return those that did not pass."""
    return [one for one in findings if not one.passed]
