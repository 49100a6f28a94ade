"""What must be told anew of a device's sessions, once the readings around its late ones were read again.

A session is known to be whole when no reading lies within `offline_after` of its two ends, so readings
are read in *spans* that reach further than that. A session that was told but is part of another one by
now is told as superseded. A session that was never told gets revision 1: the stream keeps the session of
a device that lags behind open, and may still tell its own revision 0.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from udfs.sessions import Session

FIRST_CORRECTION: Final = 1


class Told(NamedTuple):
    """The highest revision of a session that was told; times are event times (ms)."""

    start_ms: int
    end_ms: int
    readings: int
    gaps: int
    battery_min: float | None
    battery_max: float | None
    signal_min: float | None
    signal_max: float | None
    site: str
    profile: str
    late: int
    revision: int
    superseded: bool


class Touched(NamedTuple):
    """A stretch of event time with late readings in it; `reach_ms` is how much further to look around it."""

    first_ms: int
    last_ms: int
    reach_ms: int = 0


class Span(NamedTuple):
    """A stretch of event time, both ends included, of which every reading is known."""

    from_ms: int
    to_ms: int


class Terms(NamedTuple):
    """By what a session is judged, and up to which event time (ms) nothing on time can change any more."""

    site: str
    profile: str
    offline_after_ms: int
    final_ms: int


class Outcome(NamedTuple):
    """What to tell, and which stretches are right once it is told.

    `waiting` are the others, with the event time (ms) that must pass first; 0 = look further around them.
    """

    told: list[Told]
    settled: list[Touched]
    waiting: dict[Touched, int]


class Part(NamedTuple):
    """A span to read, the stretches it is read for, and the sessions told of it."""

    span: Span
    touched: list[Touched]
    told: list[Told]


def parts_around(touched: Collection[Touched], told: Sequence[Told], offline_after_ms: int) -> list[Part]:
    """Return which readings of a device to read: the sessions touched and a silence around them.

    `told` is in order of start. Parts are in order and do not overlap.
    """
    standing = [session for session in told if not session.superseded]
    parts: list[Part] = []
    for span, one in sorted((_around(one, standing, offline_after_ms), one) for one in touched):
        if parts and span.from_ms <= parts[-1].span.to_ms:
            wide = Span(parts[-1].span.from_ms, max(parts[-1].span.to_ms, span.to_ms))
            parts[-1] = parts[-1]._replace(span=wide)
        else:
            parts.append(Part(span, [], []))
        parts[-1].touched.append(one)
    for session in told:
        begin = bisect_left(parts, session.start_ms, key=lambda part: part.span.to_ms)
        end = bisect_right(parts, session.end_ms, key=lambda part: part.span.from_ms)
        for part in parts[begin:end]:
            part.told.append(session)
    return parts


def _around(one: Touched, standing: Sequence[Told], offline_after_ms: int) -> Span:
    first, last, within = one.first_ms, one.last_ms, offline_after_ms
    begin, end = _meeting(standing, first - within, last + within)
    while begin < end and begin > 0 and standing[begin].start_ms - standing[begin - 1].end_ms <= within:
        begin -= 1
    while begin < end < len(standing) and standing[end].start_ms - standing[end - 1].end_ms <= within:
        end += 1
    if begin < end:
        first, last = min(first, standing[begin].start_ms), max(last, standing[end - 1].end_ms)
    margin = within + one.reach_ms
    return Span(first - margin, last + margin)


def _meeting(sessions: Sequence[Session] | Sequence[Told], from_ms: int, to_ms: int) -> tuple[int, int]:
    begin = bisect_left(sessions, from_ms, key=lambda session: session.end_ms)
    return begin, bisect_right(sessions, to_ms, lo=begin, key=lambda session: session.start_ms)


def correct(part: Part, found: Sequence[Session], terms: Terms) -> Outcome:
    """Compare the sessions found in a part, in order of start, with those told of it."""
    standing = [session for session in part.told if not session.superseded]
    by_start = {session.start_ms: session for session in part.told}
    changes: dict[int, Told] = {}
    outcome = Outcome([], [], {})
    cluster, until_ms = _Cluster(Span(1, 0), [], []), None
    for one in part.touched:
        if not (cluster.span.from_ms <= one.first_ms and one.last_ms <= cluster.span.to_ms):
            cluster = _cluster(one, found, standing)
            until_ms = _waits_until_ms(cluster.found, part.span, terms)
            if until_ms is None:
                changes |= {change.start_ms: change for change in _changes(cluster, by_start, terms)}
        if until_ms is None:
            outcome.settled.append(one)
        else:
            outcome.waiting[one] = until_ms
    outcome.told.extend(changes.values())
    return outcome


class _Cluster(NamedTuple):
    """Sessions that hang together: each overlaps another, as found now or as told before."""

    span: Span
    found: Sequence[Session]
    told: Sequence[Told]


def _cluster(one: Touched, found: Sequence[Session], standing: Sequence[Told]) -> _Cluster:
    span, wider = Span(0, 0), Span(one.first_ms, one.last_ms)
    inside: Sequence[Session] = ()
    covered: Sequence[Told] = ()
    while span != wider:
        span = wider
        inside = found[slice(*_meeting(found, *span))]
        covered = standing[slice(*_meeting(standing, *span))]
        ends = [session for group in (inside, covered) if group for session in (group[0], group[-1])]
        wider = Span(
            min([span.from_ms, *(session.start_ms for session in ends)]),
            max([span.to_ms, *(session.end_ms for session in ends)]),
        )
    return _Cluster(span, inside, covered)


def _waits_until_ms(sessions: Sequence[Session], span: Span, terms: Terms) -> int | None:
    """Return None when all sessions are whole and final; else see `Outcome.waiting`."""
    silence_ms = terms.offline_after_ms
    if sessions and sessions[-1].end_ms + silence_ms >= terms.final_ms:
        return sessions[-1].end_ms + silence_ms
    whole = all(
        span.from_ms <= session.start_ms - silence_ms and session.end_ms + silence_ms <= span.to_ms
        for session in sessions
    )
    return None if whole else 0


def _changes(cluster: _Cluster, by_start: Mapping[int, Told], terms: Terms) -> Iterator[Told]:
    for session in cluster.found:
        before = by_start.get(session.start_ms)
        now = _as_told(session, before, cluster.told, terms)
        if before is None or now._replace(revision=before.revision) != before:
            yield now
    starts = {session.start_ms for session in cluster.found}
    for gone in cluster.told:
        if gone.start_ms not in starts:
            yield gone._replace(revision=gone.revision + 1, superseded=True)


def _as_told(session: Session, before: Told | None, covered: Sequence[Told], terms: Terms) -> Told:
    # Where the device was is what the stream said at the time, not what the registry says now.
    near = before or next((one for one in covered if one.end_ms >= session.start_ms), None)
    return Told(
        session.start_ms,
        session.end_ms,
        session.readings,
        session.gaps,
        session.battery_min,
        session.battery_max,
        session.signal_min,
        session.signal_max,
        near.site if near else terms.site,
        near.profile if near else terms.profile,
        session.late,
        before.revision + 1 if before else FIRST_CORRECTION,
        False,
    )
