"""A constant offset is reported, stored readings are not: given samples, expect these reports."""

from collections.abc import Iterable

import pytest

from tests.unit.device_steps import NOW_MS, Seen, Step, feed, ms, take
from udfs.clock_skew import observe
from udfs.device_state import Activity, Change, Device, DeviceEvent, Presence, decode_shard

pytestmark = pytest.mark.sessions

Sample = tuple[float, float]


def every(seconds: float, offsets_s: Iterable[float], start_s: float = 0) -> list[Sample]:
    """Return a sample each so many seconds of log time."""
    return [(start_s + seconds * place, offset_s) for place, offset_s in enumerate(offsets_s)]


def reports(samples: list[Sample], readings: int = 1) -> list[float]:
    """Return the offsets (s) that were news."""
    device = Device()
    found = [observe(device, seen(sample, readings)) for sample in samples]
    return [offset_ms / 1000 for offset_ms in found if offset_ms is not None]


def seen(sample: Sample, readings: int = 1) -> Activity:
    at_s, offset_s = sample
    return Seen(at_s, event_s=at_s - offset_s, readings=readings).activity()


def jitter(offset_s: float, count: int) -> list[float]:
    return [offset_s + number * 7 % 5 for number in range(count)]


CASES: list[tuple[str, list[Sample], list[float]]] = [
    ("a right clock is no news", every(1, [0.2] * 100), []),
    ("a minute off is allowed", every(1, [60] * 100), []),
    ("a clock behind is told once", every(1, jitter(300, 100)), [300]),
    ("a clock ahead is told once", every(1, jitter(-200, 100)), [-200]),
    ("ten seconds ahead are told by the first reading", every(1, [0.2, -10, 0.2]), [-10]),
    ("less than ten seconds ahead is allowed", every(1, [-9.9] * 100), []),
    ("and told right again by readings that last", every(1, [-12] * 5 + [0.2] * 40), [-12, 0.2]),
    ("near ten seconds it does not go back and forth", every(1, ([-11] * 30 + [-9] * 30) * 5), [-11]),
    ("a clock that runs further ahead is told again", every(1, [-20] * 30 + [-51] * 30), [-20, -51]),
    ("19 readings are too few", every(1, [300] * 19), []),
    ("20 readings are enough", every(1, [300] * 20), [300]),
    ("a burst of 20 within seconds is too short", every(0.5, [300] * 25), []),
    ("stored readings sent at once drift", every(1, [7200 - 9 * n for n in range(200)]), []),
    ("one late reading now and then does not hide it", every(1, ([300] * 25 + [9000]) * 4), [300]),
    ("one on time among late ones keeps it open", every(1, ([9000] * 15 + [0.1]) * 10), []),
    ("a change of 30 s is no news", every(1, [300] * 30 + [330] * 30), [300]),
    ("a change of more is", every(1, [300] * 30 + [331] * 30), [300, 331]),
    ("a clock set right is told", every(1, [300] * 30 + [0.5] * 30), [300, 0.5]),
    ("and can be wrong again", every(1, [300] * 30 + [0.5] * 30 + [300] * 30), [300, 0.5, 300]),
    ("near the limit it does not go back and forth", every(1, ([61] * 30 + [59] * 30) * 5), [61]),
]


@pytest.mark.parametrize(
    ("samples", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_given_samples_expect_reports(samples: list[Sample], expected: list[float]) -> None:
    assert reports(samples) == expected


def skews(changes: list[Change]) -> list[tuple[str, str]]:
    return [
        (change.cause, change.details["offset_ms"])
        for change in changes
        if isinstance(change, DeviceEvent) and change.type == "clock_skew"
    ]


def shown(changes: list[Change]) -> int | None:
    return [change.clock_offset_ms for change in changes if isinstance(change, Presence)][-1]


def test_the_event_names_the_direction_and_the_state_carries_the_offset() -> None:
    ahead: list[Step] = [Seen(second, event_s=second + 90) for second in range(25)]
    right: list[Step] = [Seen(second, event_s=second) for second in range(25, 50)]
    changes = feed(ahead)
    assert (skews(changes), shown(changes)) == ([("clock_ahead", "-90000")], -90_000)
    changes = feed([*ahead, *right])
    assert (skews(changes)[1:], shown(changes)) == ([("clock_right", "0")], None)


def test_late_readings_beside_readings_on_time_are_no_skew() -> None:
    shard = decode_shard(None)
    told: list[Change] = []
    for second in range(60):
        told += take(shard, Seen(second), Seen(second, event_s=second - 7200))
    assert skews(told) == []


def test_duplicates_say_nothing_of_a_clock() -> None:
    assert skews(feed([Seen(0), *(Seen(second, readings=0) for second in range(60))])) == []


def test_a_replay_of_old_readings_is_no_skew() -> None:
    assert reports(every(1, [10_000_000 - 3600 * n for n in range(100)], NOW_MS % 10), readings=30) == []


def test_the_samples_of_this_table_are_what_they_say() -> None:
    assert seen((10, 300)).min_offset_ms == 300_000
    assert seen((10, 300)).arrived_ms == ms(10)
