"""Sentences about presence and sessions: what arrived, in order of the log, and what is to be told of it.

Each case has devices of its own; all share one log, one clock and one Flink job. Out-of-orderness is
10 s, and by default a device is offline after 60 s and expected every 10 s.
"""

from typing import Any, NamedTuple
from unittest.mock import ANY

Row = dict[str, Any]


class Arrival(NamedTuple):
    """One record: log time and event time in seconds after the start, topic, device, and what it says.

    `read_s` is when the source gets to it, if that is later than its place in the log says: then it lies in
    partition 1, which starves.
    """

    log_s: float
    device: str
    event_s: float
    event: str = ""
    topic: str = "telemetry"
    metrics: dict[str, float] = {"a": 1.0}
    attributes: dict[str, str] | None = None
    partition: int = 0
    read_s: float = 0


class Case(NamedTuple):
    """`events` as (type, device or site, event time, cause).

    `sessions` as (device, start, end, readings, gaps); `late` is what they count as late in all. What came
    after its second may overtake what is still on its way: of that, ANY is good.
    """

    says: str
    given: list[Arrival]
    events: list[tuple[str, str, float, str]]
    sessions: list[tuple[str, float, float, int, int]]
    late: int = 0


def sent(device: str, *moments: float, **more: Any) -> list[Arrival]:
    """Return readings that arrive 0.2 s after they were measured."""
    return [Arrival(moment + 0.2, device, moment, **more) for moment in moments]


def signal(log_s: float, device: str, what: str) -> Arrival:
    """Return what the broker noticed of a device."""
    return Arrival(log_s, device, log_s, "", "device-signals", {"signal": 1.0}, {"what": what})


def context(
    log_s: float, device: str, site: str, offline_after_s: float = 60, every_s: float = 10
) -> Arrival:
    """Return what the registry says of a device."""
    metrics = {"offline_after_ms": offline_after_s * 1000, "expected_interval_ms": every_s * 1000}
    attributes = {"site": site, "profile": "pump", "firmware": "1", "tags": '["spare"]'}
    return Arrival(log_s, device, log_s, "", "device-context", metrics, attributes)


def coming_and_going(device: str, first_s: float, last_s: float) -> list[tuple[str, str, float, str]]:
    """Return the two events of a device that came once and fell silent."""
    return [("online", device, first_s, "first_reading"), ("offline", device, last_s, "silence")]


def starved(device: str, from_s: float, until_s: float, *moments: float) -> list[Arrival]:
    """Return readings of a partition of which nothing is read for a while."""
    found = sent(device, *moments, partition=1)
    return [one._replace(read_s=until_s if from_s <= one.log_s < until_s else one.log_s) for one in found]


HALL = [f"hall-{n}" for n in range(4)]

CASES = [
    Case(
        "a device that falls silent was online once and had one session",
        sent("steady", 0, 10, 20, 30),
        coming_and_going("steady", 0, 30),
        [("steady", 0, 30, 4, 0)],
    ),
    Case(
        "an event sent twice counts once, but is a sign of life",
        [*sent("twice", 0, event="once"), *sent("twice", 10), Arrival(55, "twice", 0, "once")],
        coming_and_going("twice", 0, 10),
        [("twice", 0, 10, 2, 0)],
    ),
    Case(
        "readings out of order are one session and leave no gap",
        [Arrival(40.1, "mixed", 40), Arrival(40.3, "mixed", 31), Arrival(42, "mixed", 35)],
        coming_and_going("mixed", 40, 40),
        [("mixed", 31, 40, 3, 0)],
    ),
    Case(
        "a reading behind the watermark joins the session that is open",
        [*sent("lagging", 30, 40), Arrival(60, "lagging", 35)],
        coming_and_going("lagging", 30, 40),
        [("lagging", 30, 40, 3, 0)],
        late=1,
    ),
    Case(
        "a silence longer than offline_after ends a session, a shorter one is a gap",
        sent("gappy", 0, 10, 55, 200, 210),
        [
            ("online", "gappy", 0, "first_reading"),
            ("offline", "gappy", 55, "silence"),
            ("online", "gappy", 200, "reading"),
            ("offline", "gappy", 210, "silence"),
        ],
        [("gappy", 0, 55, 3, 1), ("gappy", 200, 210, 2, 0)],
    ),
    Case(
        "what arrives in the second of a tick comes before it, wherever it stands in the log",
        [*sent("just-in-time", 0), Arrival(60.99, "just-in-time", 60.5)],
        coming_and_going("just-in-time", 0, 60.5),
        [("just-in-time", 0, 0, 1, 0), ("just-in-time", 60.5, 60.5, 1, 0)],
    ),
    Case(
        "a reading whose second of the log has closed is not lost",
        [*sent("left-behind", 100), Arrival(120, "left-behind", 120), Arrival(101, "left-behind", 101)],
        [("online", "left-behind", ANY, "first_reading"), ("offline", "left-behind", 120, "silence")],
        [("left-behind", 100, 120, 3, 0)],
        late=ANY,
    ),
    Case(
        "a device is offline at once when the broker lost it",
        [*sent("willed", 0, 10), signal(12.4, "willed", "lost")],
        [("online", "willed", 0, "first_reading"), ("offline", "willed", 10, "last_will")],
        [("willed", 0, 10, 2, 0)],
    ),
    Case(
        "a device is judged by what the registry says of it",
        [context(0, "known", "north", 20, 5), *sent("known", 1, 6, 17, 60)],
        [
            ("online", "known", 1, "first_reading"),
            ("offline", "known", 17, "silence"),
            ("online", "known", 60, "reading"),
            ("offline", "known", 60, "silence"),
        ],
        [("known", 1, 17, 3, 1), ("known", 60, 60, 1, 0)],
    ),
    Case(
        "devices of a site that fall silent together are one event of the site",
        [one for name in HALL for one in (context(0, name, "hall"), *sent(name, 1, 11))],
        [
            *(event for name in HALL for event in coming_and_going(name, 1, 11)),
            ("site_silent", "hall", 11, "many_devices"),
        ],
        [(name, 1, 11, 2, 0) for name in HALL],
    ),
    Case(
        "battery and signal have their extremes over the readings that sent them",
        [
            *sent("measured", 0, metrics={"battery_pct": 80.5}),
            *sent("measured", 10, attributes={"unit": "C"}),
            *sent("measured", 20, metrics={"battery_pct": 79.0, "signal_dbm": -71.0}),
        ],
        coming_and_going("measured", 0, 20),
        [("measured", 0, 20, 3, 0)],
    ),
    Case(
        "a device that starts its sequence again was rebooted",
        [
            one
            for moment, seq in ((0, "7"), (10, "8"), (20, "1"), (30, "2"))
            for one in sent("restarted", moment, attributes={"seq": seq})
        ],
        [*coming_and_going("restarted", 0, 30), ("rebooted", "restarted", 20, "sequence_restart")],
        [("restarted", 0, 30, 4, 0)],
    ),
    Case(
        "a device whose partition starves is not silent, and its session goes on",
        [context(0, "starved", "south", 20, 5), *starved("starved", 205, 252, *range(140, 270, 10))],
        coming_and_going("starved", 140, 260),
        [("starved", 140, 260, 13, 0)],
    ),
]
