"""A site that falls silent is one event: given device events in order, expect these."""

import pytest

from udfs.device_events import device_event
from udfs.device_state import DeviceEvent, Terms
from udfs.sites import SiteState, advance_site, decode_site, encode_site

pytestmark = pytest.mark.sessions

NOW_MS = 1_767_225_600_000
MILL = Terms(site="mill")


def told(kind: str, device: int, at_s: float, terms: Terms = MILL) -> DeviceEvent:
    """Return an event of a device; its event time is 60 s before it was detected."""
    at_ms = NOW_MS + round(at_s * 1000)
    return device_event(kind, f"acme/d{device}", terms, at_ms - 60_000, at_ms, "silence")


def feed(events: list[DeviceEvent], state: SiteState | None = None) -> list[DeviceEvent]:
    """Take events one by one, through bytes each time."""
    state = state or SiteState()
    answers: list[DeviceEvent] = []
    for event in events:
        answers += advance_site(state, event)
        state = decode_site(encode_site(state))
    return answers


def online(devices: int) -> list[DeviceEvent]:
    return [told("online", device, 0) for device in range(devices)]


def offline(devices: range, at_s: float, apart_s: float = 0) -> list[DeviceEvent]:
    return [told("offline", device, at_s + place * apart_s) for place, device in enumerate(devices)]


def of_site(answers: list[DeviceEvent]) -> list[tuple[str, int]]:
    return [(answer.type, answer.devices) for answer in answers if answer.type.startswith("site_")]


CASES: list[tuple[str, list[DeviceEvent], list[tuple[str, int]]]] = [
    ("two devices are two devices", online(2) + offline(range(2), 100), []),
    ("three of a small site are the site", online(5) + offline(range(3), 100), [("site_silent", 3)]),
    ("three of twenty are not 20 %", online(20) + offline(range(3), 100), []),
    ("four of twenty are", online(20) + offline(range(4), 100), [("site_silent", 4)]),
    ("100 of 200 are one event", online(200) + offline(range(100), 100), [("site_silent", 40)]),
    ("three within 30 s are together", online(3) + offline(range(3), 100, 15), [("site_silent", 3)]),
    ("three over more than 30 s are not", online(3) + offline(range(3), 100, 15.1), []),
    (
        "who came back in between does not count",
        online(5) + offline(range(2), 100) + [told("online", 0, 101), told("offline", 2, 102)],
        [],
    ),
    (
        "events a little out of order count by their own time",
        online(4) + [told("offline", device, at_s) for device, at_s in enumerate((100, 131, 99, 131))],
        [],
    ),
    (
        "more than half back is the site back",
        online(5) + offline(range(4), 100) + [told("online", device, 200) for device in range(4)],
        [("site_silent", 3), ("site_back", 3)],
    ),
    (
        "half back is not yet",
        online(5) + offline(range(4), 100) + [told("online", device, 200) for device in range(2)],
        [("site_silent", 3)],
    ),
    (
        "it can fall silent again",
        (online(3) + offline(range(3), 100) + [told("online", device, 200) for device in range(3)])
        + offline(range(3), 300),
        [("site_silent", 3), ("site_back", 2), ("site_silent", 3)],
    ),
]


@pytest.mark.parametrize(
    ("events", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_given_device_events_expect_site_events(
    events: list[DeviceEvent], expected: list[tuple[str, int]]
) -> None:
    assert of_site(feed(events)) == expected


def test_every_device_event_is_answered_once_in_order() -> None:
    events = online(10) + offline(range(10), 100) + [told("online", device, 200) for device in range(10)]
    answers = [answer for answer in feed(events) if answer.device_id]
    assert [answer._replace(part_of="") for answer in answers] == events


def test_events_of_a_silence_carry_its_id() -> None:
    events = online(5) + offline(range(5), 100) + [told("online", device, 200) for device in range(5)]
    answers = feed(events)
    [silent, back] = [answer for answer in answers if answer.type.startswith("site_")]
    parts = [answer.part_of == silent.event_id for answer in answers if answer.device_id]
    assert parts == [False] * 5 + [False, False, True, True, True] + [True] * 5
    assert (silent.part_of, back.part_of, back.details["missing"]) == ("", silent.event_id, "2")


def test_a_site_event_says_where_and_since_when() -> None:
    [silent] = [
        answer for answer in feed(online(3) + offline(range(3), 100, 5)) if answer.type == "site_silent"
    ]
    assert (silent.tenant, silent.site, silent.device_id) == ("acme", "mill", "")
    assert (silent.event_time_ms, silent.detected_at_ms) == (NOW_MS + 40_000, NOW_MS + 110_000)
    assert silent.details == {"online_before": "3"}


def test_after_the_site_is_back_an_offline_device_stands_alone() -> None:
    events = online(9) + offline(range(3), 100) + [told("online", device, 200) for device in range(2)]
    assert feed([*events, told("offline", 8, 300)])[-1].part_of == ""


def test_devices_without_a_site_are_never_a_site() -> None:
    events = [told("offline", device, 100, Terms()) for device in range(50)]
    assert feed(events) == events


def test_other_events_pass_unchanged() -> None:
    state = SiteState()
    events = online(3) + offline(range(3), 100)
    reboot = told("rebooted", 4, 101)
    feed(events, state)
    assert advance_site(state, reboot) == [reboot]


def test_a_replay_tells_the_same() -> None:
    events = online(30) + offline(range(30), 100, 0.5)
    assert feed(events) == feed(events)


def test_memory_is_bounded_by_who_is_offline() -> None:
    state = SiteState()
    for cycle in range(50):
        for event in offline(range(10), cycle * 100) + [
            told("online", n, cycle * 100 + 50) for n in range(10)
        ]:
            advance_site(state, event)
    assert (state.recent, state.missing) == ({}, {})
