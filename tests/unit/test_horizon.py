"""How far results are final: a watermark counts once a checkpoint that began after it is committed."""

import pytest

from jobs.corrections.horizon import NEVER_MS, SLACK_MS, Horizon, JobView
from jobs.corrections.stream_view import behind_exchange
from jobs.corrections.tick_watermark import GROUP, ClockLook, Mark, TickWatermark
from jobs.runtime.sources import FOLDER

pytestmark = pytest.mark.sessions

# Each look: incarnation, watermark, newest, completed, committed checkpoint; then how far results are final.
Look = tuple[str, int, int, int, int, int]
CASES: dict[str, list[Look]] = {
    "the checkpoint that was under way may have begun before the watermark": [
        ("a", 100, 5, 4, 4, -1),
        ("a", 100, 5, 5, 5, -1),
        ("a", 100, 6, 6, 6, 100),
    ],
    "completed but not committed is not final": [
        ("a", 100, 5, 5, 5, -1),
        ("a", 200, 6, 6, 5, -1),
        ("a", 200, 6, 6, 6, 100),
    ],
    "a checkpoint without rows is settled when one that began later completes": [
        ("a", 100, 5, 5, 3, -1),
        ("a", 100, 7, 6, 3, -1),
        ("a", 100, 7, 7, 3, -1),
        ("a", 100, 8, 8, 3, 100),
    ],
    "a watermark seen before a restart is computed again": [
        ("a", 100, 5, 5, 5, -1),
        ("b", 50, 6, 6, 6, -1),
        ("b", 60, 7, 7, 7, 50),
        ("b", 90, 8, 8, 8, 60),
    ],
    "what was final stays final": [
        ("a", 100, 5, 5, 5, -1),
        ("a", 100, 6, 6, 6, 100),
        ("b", -1, 0, 0, -1, 100),
    ],
    "every look is a candidate of its own": [
        ("a", 100, 5, 5, 5, -1),
        ("a", 200, 5, 5, 5, -1),
        ("a", 300, 6, 5, 5, -1),
        ("a", 400, 6, 6, 6, 200),
        ("a", 400, 7, 7, 7, 400),
    ],
    "without a watermark nothing is final": [
        ("a", -1, 5, 5, 5, -1),
        ("a", -1, 9, 9, 9, -1),
    ],
}


@pytest.mark.parametrize("name", CASES)
def test_a_horizon_follows_committed_checkpoints(name: str) -> None:
    horizon = Horizon()
    assert horizon.final_ms == NEVER_MS
    for number, look in enumerate(CASES[name]):
        assert horizon.see(JobView(*look[:5])) == look[5], f"look {number}"


def test_a_horizon_starts_from_what_was_final_before() -> None:
    horizon = Horizon(500)
    assert horizon.see(JobView("a", 400, 1, 1, 1)) == 500
    assert horizon.see(JobView("a", 600, 2, 2, 2)) == 500
    assert horizon.see(JobView("a", 600, 3, 3, 3)) == 600


def test_after_a_restart_readings_are_suspect_up_to_the_watermark_before_it() -> None:
    horizon = Horizon()
    looks = [("a", 1_000), ("a", 9_000), ("b", -1), ("b", 5_000), ("b", 8_000), ("b", 99_000), ("b", 200_000)]
    found = []
    for incarnation, watermark_ms in looks:
        horizon.see(JobView(incarnation, watermark_ms, 1, 1, 1))
        found.append(horizon.suspect_ms)
    before = 9_000 + SLACK_MS
    assert found == [-1, -1, before, before, before, 99_000 + 0, 99_000]
    assert Horizon(final_ms=0, highest_ms=9_000).suspect_ms == before


def test_only_vertices_behind_a_keyed_exchange_say_how_far_windows_are() -> None:
    def node(name: str, **inputs: str) -> dict[str, object]:
        return {"id": name, "inputs": [{"id": i, "ship_strategy": how} for i, how in inputs.items()]}

    nodes = [
        node("source"),
        node("classify", source="FORWARD"),
        node("stored", classify="REBALANCE"),
        node("panes", classify="HASH"),
        node("minutes", panes="HASH"),
        node("writer", minutes="FORWARD"),
    ]
    assert behind_exchange(nodes) == ["panes"]


def test_ticks_are_marks_whose_pane_of_log_time_has_surely_closed() -> None:
    marks = iter([Mark(1_000, 50_000), Mark(2_000, 60_000), Mark(3_000, 70_000), None])
    ticks = TickWatermark(lambda: ClockLook(next(marks), {}), 10)
    assert ticks.event_time_ms(51_999) == -1
    assert ticks.event_time_ms(61_999) == 990
    assert ticks.event_time_ms(62_000) == 1_990
    assert ticks.event_time_ms(80_000) == 2_990


@pytest.mark.parametrize(
    ("read", "told_ms"),
    [
        pytest.param({0: 5, 1: 9}, 1_990, id="all is read"),
        pytest.param({0: 5, 1: 8}, 990, id="a partition is not read up to the newest mark"),
        pytest.param({0: 4, 1: 2}, -1, id="nor up to the one before"),
        pytest.param({0: 5, 1: -1_001}, -1, id="nothing of it is committed"),
        pytest.param({0: 5}, -1, id="nothing is known of it"),
    ],
)
def test_a_mark_counts_once_the_job_has_read_what_the_log_held_then(
    read: dict[int, int], told_ms: int
) -> None:
    looks = iter(
        [
            ClockLook(Mark(1_000, 50_000, ((0, 3), (1, 7))), {}),
            ClockLook(Mark(2_000, 60_000, ((0, 5), (1, 9))), read),
        ]
    )
    ticks = TickWatermark(lambda: next(looks), 10)
    assert ticks.event_time_ms(90_000) == -1
    assert ticks.event_time_ms(90_000) == told_ms


def test_the_group_it_asks_about_is_the_one_the_sessions_job_commits_as() -> None:
    """Of a group nobody reads in, nothing would ever be committed, and no tick would count."""
    assert f"'properties.group.id' = '{GROUP}'" in (FOLDER / "arrivals.sql").read_text()
