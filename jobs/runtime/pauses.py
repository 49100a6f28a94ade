"""How long ingestion could not accept, in all: silence in that time is nobody's fault.

Each mark of the clock carries the sum so far, so it outlives the keeper. Whatever lies between two
marks that are too far apart is a pause (keeper or Kafka was away), and so is the time in which a
gateway or the MQTT broker did not answer, with some seconds after it in which devices come back.
"""

from jobs.runtime.event_clock import Mark

LONGEST_STEP_MS = 3_000
GRACE_MS = 5_000


class Pauses:
    """Adds up pauses from one look to the next; `last` is the topic's last mark."""

    def __init__(self, last: Mark | None = None) -> None:
        self._total_ms = last.paused_ms if last else 0
        self._looked_at_ms = last.marked_at_ms if last else None
        self._grace_until_ms = 0

    def total_ms(self, accepting: bool, now_ms: int) -> int:
        """Return the sum of pauses up to now, `accepting` being what was found just now."""
        step_ms = 0 if self._looked_at_ms is None else max(0, now_ms - self._looked_at_ms)
        away = not accepting or step_ms > LONGEST_STEP_MS
        if away or now_ms < self._grace_until_ms:
            self._total_ms += step_ms
        if away:
            self._grace_until_ms = now_ms + GRACE_MS
        self._looked_at_ms = now_ms
        return self._total_ms
