"""The only module that reads the wall clock; everything else takes time as an argument."""

import time
from datetime import UTC, datetime


def now_ms() -> int:
    """Return the current time in milliseconds since the Unix epoch, UTC."""
    return time.time_ns() // 1_000_000


def age_ms(time_ms: int, at_ms: int) -> int:
    """Return how old something of `time_ms` is at `at_ms`: never below 0, as clocks of devices run ahead."""
    return max(0, at_ms - time_ms)


def to_iso(time_ms: int) -> str:
    """Format epoch milliseconds as RFC 3339 in UTC with millisecond precision."""
    moment = datetime.fromtimestamp(time_ms / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def from_iso(text: str) -> int:
    """Parse RFC 3339 / ISO 8601 into epoch milliseconds; text without an offset is UTC.

    Raises ValueError when the text is no timestamp.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * 1000)
