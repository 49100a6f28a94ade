"""Sessions in event time: readings of a device that lie no further apart than its `offline_after`.

Two forms of the same rule: `sessionize` for all readings at once, and `merge`, `fold` and
`close_passed` for activities as they arrive, in any order. The second keeps *islands*, stretches
without a gap, so that gaps are exact until the watermark passes them; a gap it has passed can no longer
be filled and is only counted. An `offline_after` or gap under 10 s cannot be seen in activities of 10 s.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from udfs.device_state import Activity, ClosedSession, Device, OpenSession, Terms

SMALLEST_GAP_MS: Final = 10_000
MOST_OPEN: Final = 10_000
MOST_ISLANDS: Final = 2_000
Times = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


class Session(NamedTuple):
    """A session computed from all its readings; times are event times, None = never sent."""

    start_ms: int
    end_ms: int
    readings: int
    gaps: int
    battery_min: float | None
    battery_max: float | None
    signal_min: float | None
    signal_max: float | None
    late: int


def gap_after_ms(expected_interval_ms: int) -> int:
    """Return the silence (ms) beyond which a session has a gap."""
    return max(2 * expected_interval_ms, SMALLEST_GAP_MS)


def sessionize(
    event_times_ms: Times,
    battery: Values,
    signal: Values,
    late: Flags,
    offline_after_ms: int,
    gap_after_ms: int,
) -> list[Session]:
    """Return the sessions of one device's readings, which are in order of event time and no duplicates.

    NaN in `battery` and `signal` is a reading that sent none.
    """
    if not len(event_times_ms):
        return []
    silences = np.diff(event_times_ms)
    bounds = [0, *(np.flatnonzero(silences > offline_after_ms) + 1).tolist(), len(event_times_ms)]
    return [
        Session(
            int(event_times_ms[begin]),
            int(event_times_ms[end - 1]),
            end - begin,
            int(np.count_nonzero(silences[begin : end - 1] > gap_after_ms)),
            *_range_of(battery[begin:end]),
            *_range_of(signal[begin:end]),
            int(np.count_nonzero(late[begin:end])),
        )
        for begin, end in pairwise(bounds)
    ]


def _range_of(values: Values) -> tuple[float | None, float | None]:
    sent = values[~np.isnan(values)]
    return (float(sent.min()), float(sent.max())) if len(sent) else (None, None)


def merge(device: Device, terms: Terms, activity: Activity, watermark_ms: int) -> bool:
    """Take an activity into the device's open sessions and tell whether its newest one starts elsewhere now.

    Behind the watermark it may join an open session. It may open one if that would be open still, or
    if it is the newest the device ever sent: then the device lags, it is not late. Otherwise its
    session was told already, and the corrector makes it right from the stored readings.
    """
    first, last = activity.first_event_ms, activity.last_event_ms
    if first is None or last is None:
        return False
    sessions, newest = device.sessions, last > device.newest_event_ms
    shown = sessions[-1].islands[0] if sessions else None
    begin, end = _touched(sessions, first, last, terms.offline_after_ms)
    passed = watermark_ms > last + terms.offline_after_ms
    if begin == end:
        if passed and not newest:
            return False
        sessions.insert(begin, OpenSession([first, last]))
    elif end - begin > 1:
        sessions[begin:end] = [_joined(sessions[begin:end])]
    _add(sessions[begin], terms, activity, first, last, watermark_ms)
    if newest:
        device.newest_event_ms = last
        device.behind_ms = watermark_ms if passed else 0
    return sessions[-1].islands[0] != shown


def _touched(sessions: list[OpenSession], first: int, last: int, within_ms: int) -> tuple[int, int]:
    if sessions and first >= sessions[-1].islands[0]:
        count = len(sessions)
        return (count - 1 if first - sessions[-1].islands[-1] <= within_ms else count), count
    begin = bisect_left(sessions, first - within_ms, key=_end_of)
    return begin, bisect_right(sessions, last + within_ms, lo=begin, key=_start_of)


def _start_of(session: OpenSession) -> int:
    return session.islands[0]


def _end_of(session: OpenSession) -> int:
    return session.islands[-1]


def _joined(parts: list[OpenSession]) -> OpenSession:
    whole = OpenSession([time for part in parts for time in part.islands])
    for part in parts:
        whole.readings += part.readings
        whole.late += part.late
        whole.gaps += part.gaps
        _widen(whole, part)
    return whole


def _widen(session: OpenSession, by: OpenSession | Activity) -> None:
    if by.battery_min is not None and by.battery_max is not None:
        session.battery_min = _smaller(session.battery_min, by.battery_min)
        session.battery_max = _larger(session.battery_max, by.battery_max)
    if by.signal_min is not None and by.signal_max is not None:
        session.signal_min = _smaller(session.signal_min, by.signal_min)
        session.signal_max = _larger(session.signal_max, by.signal_max)


def _smaller(held: float | None, value: float) -> float:
    return value if held is None or value < held else held


def _larger(held: float | None, value: float) -> float:
    return value if held is None or value > held else held


def _add(
    session: OpenSession, terms: Terms, activity: Activity, first: int, last: int, watermark_ms: int
) -> None:
    session.readings += activity.readings
    session.late += activity.late or (activity.readings if last < watermark_ms else 0)
    _widen(session, activity)
    islands = session.islands
    within_ms = min(gap_after_ms(terms.expected_interval_ms), terms.offline_after_ms)
    if first >= islands[-2] and first - islands[-1] <= within_ms:
        islands[-1] = max(islands[-1], last)
    else:
        _lay(islands, first, last, within_ms)
        session.gaps += _squeeze(islands)


def _lay(islands: list[int], first: int, last: int, within_ms: int) -> None:
    starts, ends = islands[::2], islands[1::2]
    begin = bisect_left(ends, first - within_ms)
    end = bisect_right(starts, last + within_ms, lo=begin)
    if begin < end:
        first, last = min(first, starts[begin]), max(last, ends[end - 1])
    islands[2 * begin : 2 * end] = [first, last]


def _squeeze(islands: list[int]) -> int:
    excess = max(0, len(islands) // 2 - MOST_ISLANDS)
    del islands[1 : 1 + 2 * excess]
    return excess


def fold(device: Device, watermark_ms: int) -> None:
    """Count the gaps that no reading on time can fill any more, and forget where they were."""
    for session in device.sessions:
        if session.islands[0] > watermark_ms:
            break
        passed = (bisect_right(session.islands, watermark_ms) - 1) // 2
        if passed > 0:
            del session.islands[1 : 1 + 2 * passed]
            session.gaps += passed


def close_passed(device: Device, terms: Terms, watermark_ms: int) -> Iterator[OpenSession]:
    """Remove and yield the sessions that nothing on time can touch any more, oldest first.

    The session of a device that lags behind the watermark stays open while it goes on growing.
    """
    sessions = device.sessions
    while sessions and _is_passed(device, terms.offline_after_ms, watermark_ms):
        yield sessions.pop(0)


def _is_passed(device: Device, offline_after_ms: int, watermark_ms: int) -> bool:
    if len(device.sessions) > MOST_OPEN:
        return True
    end_ms = device.sessions[0].islands[-1]
    if len(device.sessions) == 1 and device.behind_ms:
        end_ms = max(end_ms, device.behind_ms)
    return watermark_ms > end_ms + offline_after_ms


def told_session(owner: str, terms: Terms, session: OpenSession) -> ClosedSession:
    """Return a session that was closed as it is told; every stretch but the first lies behind a gap."""
    return ClosedSession(
        owner,
        session.start_ms,
        session.end_ms,
        session.readings,
        session.gaps + len(session.islands) // 2 - 1,
        session.battery_min,
        session.battery_max,
        session.signal_min,
        session.signal_max,
        terms.site,
        terms.profile,
        session.late,
    )
