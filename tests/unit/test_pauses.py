"""How pauses of ingestion add up, look by look, and what a mark says of a reading whose clock runs ahead."""

import pytest

from jobs.runtime.clock_marks import known_event_time_ms
from jobs.runtime.event_clock import Mark
from jobs.runtime.pauses import GRACE_MS, Pauses
from millrace.reading import Reading

pytestmark = pytest.mark.sessions

WALL_MS = 1_800_000_000_000


def totals(pauses: Pauses, looks: list[tuple[int, bool]]) -> list[int]:
    """Look at seconds since the start; `True` = ingestion accepts."""
    return [pauses.total_ms(accepting, WALL_MS + second * 1000) for second, accepting in looks]


def test_nothing_is_paused_while_ingestion_accepts_every_second() -> None:
    assert totals(Pauses(), [(second, True) for second in range(60)]) == [0] * 60


def test_a_gateway_away_is_a_pause_and_so_are_the_seconds_in_which_devices_come_back() -> None:
    looks = [(second, not 10 <= second < 20) for second in range(40)]
    found = totals(Pauses(), looks)
    assert found[9] == 0
    # The second before it was found away may already have been one.
    assert found[19] == 10_000
    assert found[39] == found[24] == 10_000 + GRACE_MS - 1_000


@pytest.mark.parametrize(("gap_s", "paused_s"), [(1, 0), (3, 0), (4, 4), (3_600, 3_600)])
def test_a_keeper_that_was_away_counts_the_time_since_the_last_mark_of_the_topic(
    gap_s: int, paused_s: int
) -> None:
    again = Pauses(Mark(0, WALL_MS, 7_000))
    assert again.total_ms(True, WALL_MS + gap_s * 1000) == 7_000 + paused_s * 1000


def test_two_starts_in_a_row_add_up() -> None:
    first = Pauses(Mark(0, WALL_MS, 0)).total_ms(True, WALL_MS + 60_000)
    second = Pauses(Mark(0, WALL_MS + 60_000, first)).total_ms(True, WALL_MS + 90_000)
    assert second == 90_000


def test_a_wall_clock_that_goes_back_pauses_nothing_and_takes_nothing_away() -> None:
    assert totals(Pauses(Mark(0, WALL_MS, 5_000)), [(1, True), (-30, True), (-29, True)]) == [5_000] * 3


@pytest.mark.parametrize(("ahead_ms", "known_ms"), [(-5_000, -5_000), (0, 0), (240_000, 0)])
def test_a_reading_with_a_clock_ahead_counts_as_of_when_it_was_received(ahead_ms: int, known_ms: int) -> None:
    reading = Reading(
        tenant="demo",
        device_id="d",
        event_id="e",
        event_time=WALL_MS + ahead_ms,
        metrics={"a": 1.0},
        received_at=WALL_MS,
        source="mqtt",
    )
    assert known_event_time_ms(reading) - WALL_MS == known_ms
