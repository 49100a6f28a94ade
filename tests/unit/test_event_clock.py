"""What the event clock marks, walked through second by second."""

import pytest

from jobs.runtime.event_clock import (
    CARRY_AT_MOST_MS,
    GRACE_MS,
    Ends,
    EventClock,
    Mark,
    Position,
    ends_of,
    ends_text,
)

pytestmark = pytest.mark.stream

WALL_MS = 1_800_000_000_000
OUT_OF_ORDER_MS = 10_000
IDLE_AFTER_MS = 30_000


def clock() -> EventClock:
    return EventClock(OUT_OF_ORDER_MS, IDLE_AFTER_MS)


def at(end: int, newest_ms: int, read: int | None = None) -> Position:
    return Position((end,), (end if read is None else read,), newest_ms)


def test_an_empty_topic_holds_time_at_the_beginning() -> None:
    found = clock()
    assert [found.mark_ms(at(0, 0), WALL_MS + s * 1000) for s in range(60)] == [0] * 60


def test_a_live_topic_is_marked_at_its_newest_event_time() -> None:
    found = clock()
    marks = [found.mark_ms(at(s, WALL_MS + s * 1000), WALL_MS + s * 1000) for s in range(1, 30)]
    assert marks[10:] == [WALL_MS + s * 1000 for s in range(11, 30)]


def test_a_fast_replay_is_held_back_to_what_the_topic_held_before_the_grace() -> None:
    found = clock()
    hour_ms = 3_600_000
    marks = [found.mark_ms(at(s, s * hour_ms), WALL_MS + s * 1000) for s in range(1, 20)]
    grace_s = GRACE_MS // 1000
    assert marks[:grace_s] == [OUT_OF_ORDER_MS] * grace_s
    assert marks[grace_s:] == [(s - grace_s) * hour_ms + OUT_OF_ORDER_MS for s in range(grace_s + 1, 20)]


def test_silence_leaves_room_for_out_of_order_readings_and_then_carries_time_on() -> None:
    found = clock()
    newest_ms = 5_000_000
    marks = {s: found.mark_ms(at(9, newest_ms), WALL_MS + s * 1000) for s in range(300)}
    assert marks[10] == marks[29] == newest_ms
    assert marks[30] == newest_ms + 30_000
    assert marks[75] == newest_ms + 75_000
    assert marks[299] == newest_ms + CARRY_AT_MOST_MS


def test_time_is_not_carried_on_while_the_jobs_lag_behind() -> None:
    found = clock()
    lagging = [found.mark_ms(at(9, 5_000_000, read=3), WALL_MS + s * 1000) for s in range(100)]
    assert max(lagging) == 5_000_000
    assert found.mark_ms(at(9, 5_000_000), WALL_MS + 100_000) == 5_000_000
    assert found.mark_ms(at(9, 5_000_000), WALL_MS + 129_000) == 5_030_000


def test_a_reading_ends_the_silence_and_time_stands_until_readings_have_come_as_far() -> None:
    found = clock()
    for s in range(60):
        found.mark_ms(at(9, 5_000_000), WALL_MS + s * 1000)
    later = [found.mark_ms(at(s, 5_000_000 + s * 1000), WALL_MS + s * 1000) for s in range(60, 70)]
    assert later == [5_059_000] * 5 + [5_065_000, 5_066_000, 5_067_000, 5_068_000, 5_069_000]


def test_marks_never_go_back_even_when_readings_do() -> None:
    found = clock()
    ahead = [found.mark_ms(at(s, 9_000_000), WALL_MS + s * 1000) for s in range(10)]
    behind = [found.mark_ms(at(s, 1_000_000), WALL_MS + s * 1000) for s in range(10, 30)]
    assert (ahead[-1], set(behind)) == (9_000_000, {9_000_000})


def test_a_clock_that_starts_again_goes_on_from_the_last_mark() -> None:
    last = Mark(5_000_000, WALL_MS, 0)
    again = EventClock(OUT_OF_ORDER_MS, IDLE_AFTER_MS, last)
    marks = [again.mark_ms(at(s, 5_060_000 + s * 1000), WALL_MS + 60_000 + s * 1000) for s in range(7)]
    # What came while nobody looked gets the time of the grace to be read before it moves time.
    assert marks[:5] == [5_010_000] * 5
    assert marks[5:] == [5_065_000, 5_066_000]


@pytest.mark.parametrize(
    ("ends", "text"), [((), ""), (((3, 0),), "3:0"), (((0, 12), (11, 9_000_000_000)), "0:12,11:9000000000")]
)
def test_where_partitions_end_survives_the_way_as_text(ends: Ends, text: str) -> None:
    assert ends_text(ends) == text
    assert ends_of(text) == ends
