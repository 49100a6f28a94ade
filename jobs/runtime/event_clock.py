"""How far event time may be, judged from the whole topic: one mark a second on `telemetry.clock`.

Each subtask of the jobs reads the marks as one more partition that is never idle. It does two things a
watermark of partitions cannot do. While readings come, it holds time back to what the topic held some
seconds ago, so that a partition that wakes up is not late at once, however fast a recording is replayed.
While the topic is silent and read to its end, it carries time on at the pace of the wall clock, so that
the last windows close. And since it is never idle, operators never wake up one after the other, and a
subtask whose other partitions are all silent knows how late a reading is.

Marks never go back: a keeper that starts again goes on from the last mark of the topic.

A mark also says where each partition ended when it was made, so that who lets time pass by it knows what must
have been read before.
"""

from collections import deque
from typing import NamedTuple

# Every partition's marks move time; those of this one become the ticks of the sessions job.
TOLD_BY = 0
GRACE_MS = 5_000
CARRY_AT_MOST_MS = 120_000


# Partitions and the offsets at which they end.
Ends = tuple[tuple[int, int], ...]


class Position(NamedTuple):
    """Where the topic ends, how far the jobs have read, and the newest event time at its end (0 = none).

    `held_ends` has the ends of partitions that hold records: of others nobody will read anything.
    """

    end_offsets: tuple[int, ...]
    read_offsets: tuple[int, ...]
    newest_event_time_ms: int
    held_ends: Ends = ()


class Mark(NamedTuple):
    """One mark: how far event time may be, when that was said, and the pauses of ingestion so far.

    `ends` is where the topic ended before the mark was written.
    """

    event_time_ms: int
    marked_at_ms: int
    paused_ms: int
    ends: Ends = ()


def ends_text(ends: Ends) -> str:
    """Write ends as they travel in a mark, `0:123,1:456`."""
    return ",".join(f"{partition}:{end}" for partition, end in ends)


def ends_of(text: str) -> Ends:
    """Read what `ends_text` wrote; a mark from before there were any has none."""
    pairs = (one.split(":") for one in text.split(",") if one)
    return tuple((int(partition), int(end)) for partition, end in pairs)


class EventClock:
    """Turns positions, looked at about once a second, into marks; `last` is the topic's last mark."""

    def __init__(self, out_of_orderness_ms: int, idle_after_ms: int, last: Mark | None = None) -> None:
        self._out_of_orderness_ms = out_of_orderness_ms
        self._idle_after_ms = idle_after_ms
        self._marked_ms = last.event_time_ms if last else 0
        # What the topic held at the last mark is unknown by now; it was not older than what was marked.
        self._seen = deque([(last.marked_at_ms, last.event_time_ms)] if last else [])
        self._silent_since_ms: int | None = None
        self._end_offsets: tuple[int, ...] = ()

    def mark_ms(self, position: Position, now_ms: int) -> int:
        """Return the event time to mark now."""
        self._marked_ms = max(self._marked_ms, self._allowed_ms(position, now_ms))
        return self._marked_ms

    def _allowed_ms(self, position: Position, now_ms: int) -> int:
        newest = position.newest_event_time_ms
        earlier = self._newest_before(now_ms - GRACE_MS)
        self._seen.append((now_ms, newest))
        silent_ms = self._silence_ms(position, now_ms)
        if newest and silent_ms >= self._idle_after_ms:
            return newest + min(silent_ms, CARRY_AT_MOST_MS)
        return min(newest, earlier + self._out_of_orderness_ms)

    def _newest_before(self, moment_ms: int) -> int:
        while len(self._seen) > 1 and self._seen[1][0] <= moment_ms:
            self._seen.popleft()
        return self._seen[0][1] if self._seen and self._seen[0][0] <= moment_ms else 0

    def _silence_ms(self, position: Position, now_ms: int) -> int:
        grown = position.end_offsets != self._end_offsets
        self._end_offsets = position.end_offsets
        if grown or position.read_offsets != position.end_offsets or self._silent_since_ms is None:
            self._silent_since_ms = now_ms
        return now_ms - self._silent_since_ms
