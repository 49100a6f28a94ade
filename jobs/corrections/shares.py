"""Shares of the corrector's time: today's work comes first, and a large import gets what is left.

Each pass does fresh work, that of the last day of event time, and then the backlog. Neither waits for the
other to be finished: each has a bounded part of the pass.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

FRESH_MS: Final = 86_400_000


class Share(NamedTuple):
    """Which part of the work is asked for: of event time since `fresh_since_ms` (ms), or before it."""

    fresh_since_ms: int
    is_fresh: bool


def shares(final_ms: int) -> Iterator[Share]:
    """Yield the shares in the order of their turns; `final_ms` is how far event time has come."""
    since_ms = fresh_since_ms(final_ms)
    yield Share(since_ms, True)
    yield Share(since_ms, False)


def fresh_since_ms(final_ms: int) -> int:
    """Return from which event time on work is fresh."""
    return max(0, final_ms - FRESH_MS)
