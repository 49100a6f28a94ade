"""A channel's circuit breaker: after failures in a row it is left alone for a while, then tried once."""

from typing import Final, NamedTuple

TOLERATED: Final = 5
_FIRST_PAUSE_MS: Final = 30_000
_MOST_PAUSE_MS: Final = 600_000


class Circuit(NamedTuple):
    """Failures in a row, and until when (epoch ms) nothing is sent."""

    failures: int = 0
    open_until_ms: int = 0

    def is_open(self, now_ms: int) -> bool:
        """Tell whether nothing may be sent now."""
        return now_ms < self.open_until_ms

    def room(self, now_ms: int, in_flight: int, most: int) -> int:
        """Return how many deliveries may begin now: after a pause it is one, until one has succeeded."""
        if self.is_open(now_ms):
            return 0
        return max(0, (most if self.failures < TOLERATED else 1) - in_flight)

    def failed(self, now_ms: int) -> "Circuit":
        """Return the circuit after a delivery that failed; pauses double from 30 s to 10 min."""
        failures = self.failures + 1
        if failures < TOLERATED:
            return Circuit(failures)
        pause_ms = min(_MOST_PAUSE_MS, _FIRST_PAUSE_MS * 2 ** min(failures - TOLERATED, 10))
        return Circuit(failures, now_ms + pause_ms)
