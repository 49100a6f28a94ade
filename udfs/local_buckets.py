"""Buckets of time by a zone's calendar: hours, days, ISO weeks and months as its clocks show them.

All moments are UTC epoch milliseconds. A clock time that comes twice begins a bucket of its own only where
whole buckets repeat: a repeated hour is two hours, but the day that holds it is one of 25 h.
"""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from math import gcd
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from millrace.event_times import known_zone

Calendar = Literal["week", "month"]
# Milliseconds of a fixed width, or what has none: in UTC weeks have one, but not by a zone's calendar.
Step = int | Calendar
Moments = NDArray[np.int64]
HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
WEEK_MS: Final = 7 * DAY_MS
# 1970-01-05.
_FIRST_MONDAY_MS: Final = 4 * DAY_MS
_LONGEST_MS: Final[dict[Calendar, int]] = {"week": 8 * DAY_MS, "month": 32 * DAY_MS}
# No zone changes its offset twice in a week: Ramadan, the shortest season, lasts four.
_PROBE_S: Final = 7 * 86_400
_LAST_PROBED_S: Final = 4_133_980_800
_ALWAYS_MS: Final = -(1 << 60)
_OFFSET: Final = re.compile(r"([+-])([01]\d|2[0-3]):([0-5]\d)", re.ASCII)


class LocalClock(NamedTuple):
    """A zone's offsets from UTC: `offsets_ms[n]` holds from `changes_ms[n]` on until the next change."""

    name: str
    changes_ms: Moments
    offsets_ms: Moments

    def offset_at(self, time_ms: Moments) -> Moments:
        """Return the offset in force at each moment."""
        place = np.searchsorted(self.changes_ms, time_ms, "right") - 1
        found: Moments = self.offsets_ms[place]
        return found

    def moment(self, local_ms: int, *, latest: bool = False) -> int:
        """Return when the clocks showed a local time: of two times the first, or the `latest`.

        A time that they skipped is the moment of the change.
        """
        found = [
            local_ms - offset
            for begin, end, offset, _ in self._seasons(local_ms - 2 * DAY_MS, local_ms + 2 * DAY_MS)
            if begin <= local_ms - offset < end
        ]
        if found:
            return found[-1] if latest else found[0]
        near = np.searchsorted(self.changes_ms, local_ms - DAY_MS)
        return int(self.changes_ms[near])

    def _seasons(self, from_ms: int, to_ms: int) -> list[tuple[int, int, int, int]]:
        """Return begin, end, offset and the offset before of every stretch that overlaps the range."""
        first = max(0, int(np.searchsorted(self.changes_ms, from_ms, "right")) - 1)
        last = int(np.searchsorted(self.changes_ms, to_ms, "left"))
        ends = [*self.changes_ms[first + 1 : last].tolist(), to_ms]
        begins = [max(from_ms, int(self.changes_ms[first])), *ends[:-1]]
        offsets = self.offsets_ms[first:last].tolist()
        return list(zip(begins, ends, offsets, [offsets[0], *offsets[:-1]], strict=True))


@lru_cache(maxsize=1024)
def local_clock(name: str) -> LocalClock:
    """Return the clock of an IANA zone or of a fixed offset such as +02:00; ValueError when it is none."""
    fixed = _OFFSET.fullmatch(name)
    if name == "UTC" or fixed:
        sign = -1 if fixed and fixed[1] == "-" else 1
        minutes = sign * (int(fixed[2]) * 60 + int(fixed[3])) if fixed else 0
        return LocalClock(name, np.array([_ALWAYS_MS]), np.array([minutes * 60_000]))
    zone = known_zone(name)

    def offset_s(at_s: int) -> int:
        offset = datetime.fromtimestamp(at_s, UTC).astimezone(zone).utcoffset()
        return int((offset or timedelta()).total_seconds())

    changes, offsets = [_ALWAYS_MS], [offset_s(0)]
    for before_s in range(0, _LAST_PROBED_S, _PROBE_S):
        after = offset_s(before_s + _PROBE_S)
        if after != offsets[-1]:
            low, high = before_s, before_s + _PROBE_S
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if offset_s(middle) == offsets[-1] else (low, middle)
            changes.append(high * 1000)
            offsets.append(after)
    return LocalClock(name, np.array(changes), np.array(offsets) * 1000)


class Buckets(NamedTuple):
    """Buckets of one width on one clock."""

    clock: LocalClock
    step: Step

    @property
    def are_even(self) -> bool:
        """Return whether all are of one width and begin at multiples of it, in UTC."""
        return isinstance(self.step, int) and not (self.clock.offsets_ms % self.step).any()

    def begin(self, time_ms: int) -> int:
        """Return where the bucket that holds a moment begins."""
        if isinstance(self.step, int) and self.are_even:
            return time_ms // self.step * self.step
        return int(self.edges(time_ms, time_ms + 1)[0])

    def end(self, time_ms: int) -> int:
        """Return where the bucket that holds the moment before ends: that moment itself, or a later one."""
        if isinstance(self.step, int) and self.are_even:
            return -(-time_ms // self.step) * self.step
        return int(self.edges(time_ms - 1, time_ms)[-1])

    def after(self, time_ms: int, count: int) -> int:
        """Return where the `count`-th bucket from the one that holds a moment ends."""
        if isinstance(self.step, int) and self.are_even:
            return self.begin(time_ms) + count * self.step
        # All changes of a zone's offset together are less than two days.
        enough_ms = count * (self.step if isinstance(self.step, int) else _LONGEST_MS[self.step]) + 3 * DAY_MS
        return int(self.edges(time_ms, time_ms + enough_ms)[count])

    def edges(self, from_ms: int, to_ms: int) -> Moments:
        """Return where every bucket that overlaps [from_ms, to_ms) begins, and where the last one ends."""
        margin = (self.step if isinstance(self.step, int) else _LONGEST_MS[self.step]) + 2 * DAY_MS
        marks = np.unique(np.concatenate(list(self._marks(from_ms - margin, to_ms + margin))))
        first = int(np.searchsorted(marks, from_ms, "right")) - 1
        found: Moments = marks[first : int(np.searchsorted(marks, to_ms, "left")) + 1]
        return found

    def bounds(self, times_ms: Moments) -> tuple[Moments, Moments]:
        """Return where the bucket of each moment begins and ends; the moments ascend."""
        if isinstance(self.step, int) and self.are_even:
            begins = times_ms // self.step * self.step
            return begins, begins + self.step
        if not len(times_ms):
            return times_ms, times_ms
        edges = self.edges(int(times_ms[0]), int(times_ms[-1]) + 1)
        places = np.searchsorted(edges, times_ms, "right") - 1
        return edges[places], edges[places + 1]

    def base_ms(self, *bounds_ms: int) -> int:
        """Return the widest panes, an hour at most, of which these buckets are made between two bounds.

        Panes begin at multiples of their width in UTC. The bounds may lie inside buckets.
        """
        if isinstance(self.step, int) and self.are_even:
            return gcd(HOUR_MS, self.step, *bounds_ms)
        seasons = self.clock._seasons(min(bounds_ms) - DAY_MS, max(bounds_ms) + DAY_MS)
        offsets = {one for _, _, *both in seasons for one in both}
        changes = {begin for begin, *_ in seasons[1:]}
        width = self.step if isinstance(self.step, int) else DAY_MS
        return gcd(HOUR_MS, width, *bounds_ms, *offsets, *changes)

    def _marks(self, from_ms: int, to_ms: int) -> list[Moments]:
        found = []
        for begin, end, offset, before in self.clock._seasons(from_ms, to_ms):
            marks = _clock_marks(self.step, begin + offset, end + offset)
            if offset < before and not self._repeats_whole(before - offset):
                marks = marks[marks >= begin + before]
            elif len(_clock_marks(self.step, begin + before, begin + offset)):
                found.append(np.array([begin]))
            found.append(marks - offset)
        return found

    def _repeats_whole(self, repeated_ms: int) -> bool:
        return repeated_ms % (self.step if isinstance(self.step, int) else DAY_MS) == 0


def _clock_marks(step: Step, from_ms: int, to_ms: int) -> Moments:
    """Return the local times in [from_ms, to_ms), as if they were UTC, at which a bucket begins."""
    if step == "month":
        first, last = (np.array(ms).astype("M8[ms]").astype("M8[M]") for ms in (from_ms, to_ms))
        months = np.arange(first, last + 1).astype("M8[ms]").astype(np.int64)
        return months[(months >= from_ms) & (months < to_ms)]
    width, origin = (WEEK_MS, _FIRST_MONDAY_MS) if step == "week" else (step, 0)
    assert isinstance(width, int)
    return np.arange(-(-(from_ms - origin) // width) * width + origin, max(from_ms, to_ms), width)
