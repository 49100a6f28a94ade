"""What rules are judged by: readings of one device in order of event time."""

from collections.abc import Iterable, Mapping
from itertools import pairwise
from operator import attrgetter
from typing import Any, NamedTuple

from millrace.unregistered import DEFAULT_PROFILE


class RuleReading(NamedTuple):
    """What a rule sees of a reading; `event_time_ms` is UTC, position in degrees (WGS 84)."""

    event_time_ms: int
    metrics: Mapping[str, float]
    lat: float | None = None
    lon: float | None = None


class RuleDevice(NamedTuple):
    """What a rule's scope is matched against; one that is not registered has the default profile.

    `counters` are metrics that only grow, by its profile: where one falls it began anew.
    """

    tenant: str
    device_id: str
    site: str = ""
    profile: str = DEFAULT_PROFILE
    tags: tuple[str, ...] = ()
    counters: tuple[str, ...] = ()


def order(reading: RuleReading) -> tuple[Any, ...]:
    """Return the sort key of readings: event time, and for equal times the content, whatever came first."""
    return reading.event_time_ms, sorted(reading.metrics.items()), reading.lat or 0.0, reading.lon or 0.0


def in_order(readings: Iterable[RuleReading]) -> list[RuleReading]:
    """Sort readings of one device; those equal in time and content are one."""
    ordered = sorted(readings, key=attrgetter("event_time_ms"))
    if all(one.event_time_ms < other.event_time_ms for one, other in pairwise(ordered)):
        return ordered
    ordered.sort(key=order)
    return [one for place, one in enumerate(ordered) if place == 0 or one != ordered[place - 1]]
