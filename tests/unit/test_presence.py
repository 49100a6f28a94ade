"""Who is online: given what arrives and how time passes, expect these events and states."""

import msgspec
import pytest

from tests.unit.device_steps import (
    NOW_MS,
    PUMP,
    Clock,
    Said,
    Seen,
    Step,
    Terms,
    events,
    feed,
    feed_into,
    ms,
    states,
    take,
)
from udfs.device_state import Change, DeviceEvent, Presence, decode_shard, encode_shard
from udfs.presence import FORGET_AFTER_MS

pytestmark = pytest.mark.sessions

FIRST = ("online", 0, "first_reading")
SILENT = ("offline", 60, "silence")
Expected = list[tuple[str, float, str]]
CASES: list[tuple[str, list[Step], Expected]] = [
    ("the first reading is online", [Seen(0)], [FIRST]),
    ("a device is not offline a moment early", [Seen(0), Clock(59.999)], [FIRST]),
    (
        "silence for offline_after is offline, once",
        [Seen(0), Clock(60), Clock(61), Clock(62)],
        [FIRST, SILENT],
    ),
    ("a reading in time keeps it online", [Seen(0), Clock(50), Seen(50), Clock(109)], [FIRST]),
    ("a duplicate is a sign of life", [Seen(0), Seen(50, readings=0), Clock(109)], [FIRST]),
    ("a late reading is a sign of life", [Seen(0), Clock(50), Seen(50, event_s=-9000), Clock(109)], [FIRST]),
    ("arrivals out of order keep the newest", [Seen(0), Seen(50), Seen(20), Clock(109)], [FIRST]),
    (
        "it comes back with a reading",
        [Seen(0), Clock(60), Seen(70)],
        [FIRST, SILENT, ("online", 70, "reading")],
    ),
    ("a pause does not count as silence", [Seen(0), Clock(1), Clock(300, 290), Clock(349, 290)], [FIRST]),
    (
        "silence before and after a pause adds up",
        [Seen(0), Clock(30), Clock(330, 300), Clock(359, 300), Clock(360, 300)],
        [FIRST, ("offline", 360, "silence")],
    ),
    (
        "a pause before an arrival excuses no more than the silence until the tick that told of it",
        [Seen(0), Clock(1), Seen(595), Clock(600, 590), Clock(659, 590), Clock(660, 590)],
        [FIRST, ("offline", 660, "silence")],
    ),
    (
        "a pause count that starts again excuses nothing and accuses nobody",
        [Seen(0), Clock(1, 500), Seen(40), Clock(41, 0), Clock(99, 0), Clock(100, 0)],
        [FIRST, ("offline", 100, "silence")],
    ),
    (
        "a last will is offline at the tick",
        [Seen(0), Said(5, "lost"), Clock(6)],
        [FIRST, ("offline", 6, "last_will")],
    ),
    (
        "a goodbye is offline and a connection brings it back",
        [Seen(0), Said(5, "disconnected"), Clock(6), Said(8, "connected"), Clock(67)],
        [FIRST, ("offline", 6, "disconnected"), ("online", 8, "connected")],
    ),
    (
        "a connection alone is judged by silence again",
        [Seen(0), Said(5, "lost"), Clock(6), Said(8, "connected"), Clock(68)],
        [FIRST, ("offline", 6, "last_will"), ("online", 8, "connected"), ("offline", 68, "silence")],
    ),
    (
        "who is back before the tick never left",
        [Seen(0), Said(5, "lost"), Said(5.1, "connected"), Clock(6)],
        [FIRST],
    ),
    (
        "a last will around a pause is not believed",
        [Seen(0), Clock(1), Said(2, "lost"), Clock(60, 57)],
        [FIRST],
    ),
    ("a connection does not end silence", [Seen(0), Clock(60), Said(70, "connected")], [FIRST, SILENT]),
    ("the broker says nothing of a device never seen", [Said(0, "lost"), Said(1, "connected"), Clock(2)], []),
    (
        "a last will of one who is offline says nothing",
        [Seen(0), Clock(60), Said(70, "lost"), Clock(71)],
        [FIRST, SILENT],
    ),
    ("a context gives no state to a device never seen", [Terms(20), Clock(1000)], []),
    (
        "a shorter offline_after is judged at once",
        [Seen(0), Clock(30), Terms(20), Clock(31)],
        [FIRST, ("offline", 31, "silence")],
    ),
    ("a longer one gives time", [Terms(20), Seen(0), Terms(90), Clock(89)], [FIRST]),
    ("a maintenance window silences", [Terms(60, (50, 200)), Seen(0), Clock(60), Clock(199)], [FIRST]),
    (
        "who is silent when the window ends is offline then",
        [Terms(60, (50, 200)), Seen(0), Clock(60), Clock(200)],
        [FIRST, ("offline", 200, "silence")],
    ),
    (
        "who came back in the window never left",
        [Terms(60, (50, 200)), Seen(0), Clock(60), Seen(150), Clock(200)],
        [FIRST],
    ),
    (
        "a window that is called off ends",
        [Terms(60, (50, 200)), Seen(0), Clock(60), Terms(60), Clock(61)],
        [FIRST, ("offline", 61, "silence")],
    ),
    (
        "a sequence that goes on is no restart",
        [Seen(0, first_seq=5, last_seq=9), Seen(10, first_seq=10)],
        [FIRST],
    ),
    (
        "a sequence that starts again is a restart",
        [Seen(0, first_seq=5, last_seq=9), Seen(10, first_seq=1, last_seq=4), Seen(11, first_seq=5)],
        [FIRST, ("rebooted", 10, "sequence_restart")],
    ),
    (
        "an older reading shows no restart",
        [Seen(10, first_seq=9), Seen(11, event_s=5, first_seq=2)],
        [("online", 10, "first_reading")],
    ),
]


@pytest.mark.parametrize(("steps", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_given_steps_expect_events(steps: list[Step], expected: Expected) -> None:
    assert events(feed(steps)) == expected


def test_an_offline_event_says_when_the_device_last_measured() -> None:
    [event] = [c for c in feed([Terms(60, None, "mill"), Seen(0, event_s=-7), Clock(61)]) if _is_offline(c)]
    assert isinstance(event, DeviceEvent)
    assert (event.event_time_ms, event.detected_at_ms, event.site) == (ms(-7), ms(61), "mill")
    assert (event.tenant, event.device_id, event.part_of, event.devices) == ("acme", "pump", "", 1)


def _is_offline(change: Change) -> bool:
    return isinstance(change, DeviceEvent) and change.type == "offline"


def test_presence_is_told_when_it_changes_and_only_then() -> None:
    steps: list[Step] = [Seen(0), Seen(10), Clock(69), Clock(70), Clock(71), Seen(80), Clock(82), Clock(99)]
    assert states(feed(steps)) == ["online", "offline", "online"]


def test_presence_says_since_when_and_when_last_heard() -> None:
    last = [
        change for change in feed([Seen(0), Seen(10), Clock(69.9), Clock(70)]) if isinstance(change, Presence)
    ][-1]
    assert (last.state, last.since_ms, last.last_arrival_ms) == ("offline", ms(10), ms(10))


def test_a_new_site_is_told_without_an_event() -> None:
    changes = feed([Seen(0), Terms(site="mill"), Terms(site="mill")])
    assert [change.site for change in changes if isinstance(change, Presence)] == ["", "mill"]
    assert events(changes) == [FIRST]


def test_maintenance_is_a_state() -> None:
    assert states(feed([Terms(60, (50, 200)), Seen(0), Clock(60), Seen(61)])) == [
        "online",
        "maintenance",
        "online",
    ]


def test_the_order_within_a_pane_does_not_matter() -> None:
    pane: list[Step] = [
        Seen(0.1),
        Said(0.2, "lost"),
        Seen(0.3, "acme/fan"),
        Said(0.4, "connected"),
        Seen(0.5),
        Clock(1),
    ]
    forth, back = decode_shard(None), decode_shard(None)
    assert take(forth, *pane) == take(back, *reversed(pane))
    assert encode_shard(forth) == encode_shard(back)


def test_one_pane_with_its_tick_is_the_same_as_both_apart() -> None:
    apart = feed([Seen(0), Clock(1), Seen(61), Clock(61)])
    together = feed([Seen(0), Clock(1)])
    shard = decode_shard(None)
    feed_into(shard, [Seen(0), Clock(1)])
    assert together + take(shard, Seen(61), Clock(61)) == apart
    assert events(apart) == [FIRST]


def test_a_device_of_no_registry_is_forgotten_after_a_month() -> None:
    shard = decode_shard(None)
    month_s = FORGET_AFTER_MS / 1000
    feed_into(
        shard, [Terms(60, None, "mill", "acme/fan"), Seen(0), Seen(0, "acme/fan"), Clock(60), Clock(month_s)]
    )
    assert set(shard.devices) == {PUMP, "acme/fan"}
    feed_into(shard, [Clock(month_s + 1)])
    assert set(shard.devices) == {"acme/fan"}
    changes = take(shard, Seen(month_s + 2, "acme/fan"))
    assert events(changes) == [("online", month_s + 2, "first_reading")]
    assert [change.site for change in changes if isinstance(change, Presence)] == ["mill"]


class GrownDevice(msgspec.Struct, array_like=True):
    """What an older version wrote: the first fields of a device."""

    terms: None = None
    state: str = "online"
    since_ms: int = NOW_MS
    last_arrival_ms: int = NOW_MS


def test_a_blob_of_an_older_version_decodes_and_goes_on() -> None:
    shard = decode_shard(msgspec.msgpack.encode([{PUMP: GrownDevice()}, NOW_MS]))
    assert events(take(shard, Clock(60))) == [SILENT]
