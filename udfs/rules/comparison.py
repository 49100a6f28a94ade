"""Alerts of two rules laid side by side: what both saw, and what only one of them did."""

from collections.abc import Iterable
from itertools import groupby
from math import inf
from operator import attrgetter
from typing import NamedTuple


class Lasting(NamedTuple):
    """An alert on a device from its onset until it was over; None = it lasts."""

    device_id: str
    alert_id: str
    start_ms: int
    end_ms: int | None
    is_first: bool


class Occasion(NamedTuple):
    """Alerts of one device that hang together in time, of one of the rules or of both."""

    device_id: str
    first: list[Lasting]
    second: list[Lasting]


class Matched(NamedTuple):
    """Occasions on which both rules had an alert, and those of only one, in order of time."""

    both: list[Occasion]
    only_first: list[Occasion]
    only_second: list[Occasion]


def match(alerts: Iterable[Lasting], from_ms: int, to_ms: int) -> Matched:
    """Match alerts by device and common time within [from_ms, to_ms); one may match several of the other."""
    inside = [alert for alert in alerts if alert.start_ms < to_ms and _end(alert) > from_ms]
    inside.sort(key=lambda alert: (alert.device_id, alert.start_ms, not alert.is_first))
    occasions = [
        occasion
        for _, own in groupby(inside, attrgetter("device_id"))
        for occasion in _occasions(list(own), from_ms, to_ms)
    ]
    occasions.sort(key=lambda one: min(alert.start_ms for alert in (*one.first, *one.second)))
    return Matched(
        [one for one in occasions if one.first and one.second],
        [one for one in occasions if not one.second],
        [one for one in occasions if not one.first],
    )


def _occasions(alerts: list[Lasting], from_ms: int, to_ms: int) -> list[Occasion]:
    found: list[Occasion] = []
    until = -inf
    for alert in alerts:
        # What overlaps only outside of the range is not seen there.
        start, end = max(alert.start_ms, from_ms), min(_end(alert), to_ms)
        if start >= until:
            found.append(Occasion(alert.device_id, [], []))
            until = -inf
        (found[-1].first if alert.is_first else found[-1].second).append(alert)
        until = max(until, end)
    return found


def _end(alert: Lasting) -> float:
    # One that is over at once still was there.
    return inf if alert.end_ms is None else max(alert.end_ms, alert.start_ms + 1)
