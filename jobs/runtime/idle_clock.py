"""Lets event time pass while the whole telemetry topic is silent, so that the last windows close."""

from dataclasses import dataclass

MARKS = 12
MARK_EVERY_MS = 10_000


@dataclass(frozen=True, kw_only=True)
class Silence:
    """A topic that has not grown and is read to its end: since when, and how far time was carried on."""

    end_offsets: tuple[int, ...]
    since_ms: int
    newest_event_time_ms: int | None = None
    marks_sent: int = 0


def observe(
    silence: Silence | None, end_offsets: tuple[int, ...], read_offsets: tuple[int, ...], now_ms: int
) -> Silence | None:
    """Return the silence as it stands: none while the stream has readings to catch up with.

    A mark sent to a stream that lags would be read before the readings it follows and lost on them.
    """
    if read_offsets != end_offsets:
        return None
    if silence is None or silence.end_offsets != end_offsets:
        return Silence(end_offsets=end_offsets, since_ms=now_ms)
    return silence


def due_mark_ms(silence: Silence, now_ms: int, idle_after_ms: int) -> int | None:
    """Return how far past the newest event time the clock should stand now, or None when no mark is due.

    Event time then runs at the pace of the wall clock: newest event time + time since the silence began.
    It stops after two minutes, when every window is closed.
    """
    silent_ms = now_ms - silence.since_ms
    due = idle_after_ms + silence.marks_sent * MARK_EVERY_MS
    return silent_ms if silence.marks_sent < MARKS and silent_ms >= due else None
