"""What a storm trial accepts, and every kind of wrong telling it must find."""

from datetime import UTC, datetime

import pytest

from bench.log_records import LogRecord
from bench.storm_verdict import (
    Told,
    judge_restart,
    judge_return,
    judge_silence,
    offline_delays,
    percentiles,
    told,
)

pytestmark = pytest.mark.sessions

STOPPED = {f"d{number}": 1_000 * number for number in range(10)}
LIMIT_MS, ONLINE = 25_000, 20
# A fifth of twenty online devices is four: three may go before the site's event has a name.
ALONE = 3
OF_SITE = "site_silent:s0"


def event(kind: str, device: str = "", part_of: str = "", seen_ms: int = 0, site: str = "s0") -> Told:
    name = f"{kind}:{device or site}"
    return Told(name, kind, device, site, "silence", part_of, seen_ms, seen_ms, seen_ms, {})


def right() -> list[Told]:
    offline = [
        event("offline", device, "" if number < ALONE else OF_SITE, sent_ms + 21_000)
        for number, (device, sent_ms) in enumerate(STOPPED.items())
    ]
    return [*offline[:ALONE], event("site_silent"), *offline[ALONE:]]


def judged(events: list[Told]) -> list[str]:
    return judge_silence(events, STOPPED, "s0", ONLINE, LIMIT_MS)


def test_one_site_event_and_one_offline_event_each_in_time_is_right() -> None:
    assert judged(right()) == []


@pytest.mark.parametrize(
    ("events", "said"),
    [
        (right()[1:], "1 devices without offline event: ['d0']"),
        (
            [*right(), event("offline", "x", OF_SITE)],
            "1 devices with an offline event nobody caused: ['x']",
        ),
        (
            [*right(), event("offline", "d3", OF_SITE)],
            "1 devices with more than one offline event: ['d3']",
        ),
        (
            [e._replace(seen_ms=e.seen_ms + 5_000) if e.device_id == "d4" else e for e in right()],
            "offline later than 25000 ms: d4 26000 ms",
        ),
        ([e for e in right() if e.type != "site_silent"], "site_silent events of [], expected one of s0"),
        (
            [*right(), event("site_silent", site="s1")],
            "site_silent events of ['s0', 's1'], expected one of s0",
        ),
        (
            [e._replace(part_of="") if e.device_id == "d5" else e for e in right()],
            "4 offline events are not part of the site's, at most 3 can be",
        ),
    ],
)
def test_what_is_wrong_with_a_silence_is_said(events: list[Told], said: str) -> None:
    assert judged(events) == [said]


def test_a_restart_may_tell_nothing_of_the_living() -> None:
    living = {"a", "b"}
    assert judge_restart([event("online", "a"), event("offline", "gone")], living) == []
    assert judge_restart([event("offline", "b")], living) == ["1 offline events of the living: ['b']"]
    assert judge_restart([event("site_silent")], living) == ["site_silent of s0 while its devices lived"]


def test_a_return_is_one_online_event_each_and_one_of_the_site() -> None:
    events = [*(event("online", device) for device in STOPPED), event("site_back")]
    assert judge_return(events, STOPPED, "s0") == []
    assert judge_return(events[1:], STOPPED, "s0") == ["1 devices without online event: ['d0']"]
    assert judge_return(events[:-1], STOPPED, "s0") == ["site_back events of [], expected one of s0"]


def record(event_id: str, device_id: str, site: str, seen_ms: int) -> LogRecord:
    fields = {
        "event_id": event_id,
        "type": "offline",
        "device_id": device_id,
        "site": site,
        "cause": "silence",
        "part_of": "",
        "detected_at": datetime.fromtimestamp(1_000, UTC),
        "details": {},
    }
    return LogRecord(fields, seen_ms, seen_ms)


def test_an_event_written_twice_is_told_once_and_others_devices_are_not_ours() -> None:
    records = [
        record("1", "run-a", "run-s", 5),
        record("1", "run-a", "run-s", 9),
        record("2", "", "run-s", 6),
        record("3", "other", "elsewhere", 7),
    ]
    found = told(records, "run-")
    assert [(e.event_id, e.seen_ms, e.detected_ms) for e in found] == [
        ("1", 5, 1_000_000),
        ("2", 6, 1_000_000),
    ]


def test_delays_count_from_each_devices_last_message() -> None:
    delays = offline_delays(right(), STOPPED)
    assert delays == dict.fromkeys(STOPPED, 21_000)
    assert percentiles(range(1, 101)) == (51, 100, 100)
    assert percentiles([]) == (0, 0, 0)
