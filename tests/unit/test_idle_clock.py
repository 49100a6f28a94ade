"""When a clock mark is due, walked through second by second."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.runtime.idle_clock import MARK_EVERY_MS, MARKS, Silence, due_mark_ms, observe

pytestmark = pytest.mark.stream

START_MS = 1_767_225_600_000
IDLE_AFTER_MS = 30_000


def walk(looks_ms: list[int], idle_after_ms: int = IDLE_AFTER_MS) -> list[int]:
    """Look at a silent topic at these times; return how far ahead each mark stood."""
    silence, sent = Silence(end_offsets=(7,), since_ms=START_MS), []
    for look_ms in looks_ms:
        ahead_ms = due_mark_ms(silence, START_MS + look_ms, idle_after_ms)
        if ahead_ms is not None:
            sent.append(ahead_ms)
            silence = replace(silence, marks_sent=silence.marks_sent + 1)
    return sent


def test_marks_come_after_the_silence_and_then_every_ten_seconds() -> None:
    assert walk(list(range(0, 60_000, 1000))) == [30_000, 40_000, 50_000]


def test_nothing_is_due_a_millisecond_too_early() -> None:
    assert walk([29_999]) == []
    assert walk([30_000, 39_999]) == [30_000]


def test_marks_stop_when_every_window_is_closed() -> None:
    sent = walk(list(range(0, 3_600_000, 1000)))
    assert len(sent) == MARKS
    # The longest window is a minute, readings may be 10 s out of order.
    assert sent[-1] >= 60_000 + 10_000 + 10_000


@given(st.lists(st.integers(0, 600_000), max_size=60).map(sorted), st.integers(1_000, 60_000))
def test_event_time_runs_at_the_pace_of_the_wall_clock_and_never_back(
    looks_ms: list[int], idle_after_ms: int
) -> None:
    sent = walk(looks_ms, idle_after_ms)
    assert set(sent) <= set(looks_ms)
    assert sent == sorted(sent)
    assert all(ahead >= idle_after_ms + n * MARK_EVERY_MS for n, ahead in enumerate(sent))


def test_a_look_that_comes_late_catches_up_one_mark_a_look() -> None:
    assert walk([65_000, 65_001, 65_002, 65_003, 65_004]) == [65_000, 65_001, 65_002, 65_003]


STANDING = Silence(end_offsets=(7, 3), since_ms=START_MS, newest_event_time_ms=5, marks_sent=4)


def test_a_topic_that_grew_begins_a_new_silence() -> None:
    found = observe(STANDING, (7, 4), (7, 4), START_MS + 9)
    assert found == Silence(end_offsets=(7, 4), since_ms=START_MS + 9)


def test_a_topic_that_stands_still_goes_on_with_its_silence() -> None:
    assert observe(STANDING, (7, 3), (7, 3), START_MS + 9) is STANDING
    assert observe(None, (7, 3), (7, 3), START_MS) == Silence(end_offsets=(7, 3), since_ms=START_MS)


@pytest.mark.parametrize("read_offsets", [(7, 2), (0, 3), (0, 0)])
def test_there_is_no_silence_while_the_stream_has_readings_to_catch_up_with(
    read_offsets: tuple[int, ...],
) -> None:
    assert observe(STANDING, (7, 3), read_offsets, START_MS + 9) is None
    assert observe(None, (7, 3), read_offsets, START_MS + 9) is None
