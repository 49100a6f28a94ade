"""Alerts on recorded data, live under disorder and duplicates, against window functions of another engine."""

import random
from collections.abc import Sequence
from typing import Any

import pytest

from bench.replay_trial import data_folder
from tests.oracle.alerts import Instance, expected_alerts, recorded
from tests.unit.rule_cases import DEVICE, Keeper, book_of, rule
from udfs.rules.reading import RuleReading
from udfs.rules.runner import DeviceRunner

pytestmark = [
    pytest.mark.integration,
    pytest.mark.alerts,
    pytest.mark.skipif(
        not data_folder().is_dir(), reason=f"no recorded data at {data_folder()}; set DATA_FOLDER"
    ),
]

# Recording, column, how far out of order (ms): SKAB sends every second, NAB every five minutes.
RECORDINGS = {
    "skab-flow": ("skab/valve1", "Volume Flow RateRMS", 10_000),
    "skab-current": ("skab/valve1", "Current", 10_000),
    "nab": ("nab", "value", 1_800_000),
}
THRESHOLDS = [
    ("skab-flow", 31.9, 30.0, 5_000),
    ("skab-current", 1.0, 0.6, 3_000),
    ("skab-current", 0.9, 0.9, 0),
    ("nab", 100.0, 98.0, 1_800_000),
    ("nab", 90.0, 85.0, 0),
]
COUNTS = [
    ("skab-flow", 32.0, 5, 20_000),
    ("skab-current", 1.2, 3, 10_000),
    ("nab", 100.0, 6, 3_600_000),
    ("nab", 95.0, 1, 600_000),
]
Points = list[tuple[int, float]]


def live(when: dict[str, Any], points: Points, disorder_ms: int) -> list[Instance]:
    """Run points as they might arrive: each up to `disorder_ms` late, one in ten twice, cut now and then."""
    chance = random.Random(7)
    arrivals = sorted(
        points * 1 + chance.sample(points, len(points) // 10), key=lambda p: _moved(p, chance, disorder_ms)
    )
    book = book_of(rule(when))
    runner, keeper, newest_ms = DeviceRunner(DEVICE, book), Keeper(), 0
    for number, (at_ms, value) in enumerate(arrivals):
        newest_ms = max(newest_ms, at_ms)
        outcome = runner.take([RuleReading(at_ms, {"v": value})])
        keeper.take(outcome.changes)
        if number % 7 == 0:
            keeper.take(runner.pass_time(newest_ms - disorder_ms))
        if number % 500 == 0:
            runner = DeviceRunner.decode(DEVICE, book, runner.encode())
    keeper.take(runner.pass_time(max(at_ms for at_ms, _ in points)))
    assert len({alert.alert_id for alert in keeper.alerts.values()}) == len(keeper.alerts)
    return [(alert.onset_ms, alert.raised_ms, alert.cleared_ms) for alert in keeper.sorted()]


def _moved(point: tuple[int, float], chance: random.Random, disorder_ms: int) -> int:
    return point[0] + chance.randrange(disorder_ms)


def points_of(name: str) -> tuple[Points, int]:
    folder, column, disorder_ms = RECORDINGS[name]
    return recorded(data_folder() / folder, column), disorder_ms


def some(found: Sequence[Instance]) -> Sequence[Instance]:
    assert len(found) > 2, "the limits of this case raise too little to show anything"
    return found


@pytest.mark.parametrize(("name", "above", "clear", "for_ms"), THRESHOLDS)
def test_thresholds_with_duration_and_hysteresis_come_to_the_alerts_of_window_functions(
    name: str, above: float, clear: float, for_ms: int
) -> None:
    points, disorder_ms = points_of(name)
    when = {
        "kind": "threshold",
        "metric": "v",
        "raise_above": above,
        "clear_below": clear,
        "for_s": for_ms / 1000,
    }
    expected = expected_alerts("threshold", points, raise_above=above, clear_below=clear, for_ms=for_ms)
    assert live(when, points, disorder_ms) == some(expected)


@pytest.mark.parametrize(("name", "above", "times", "within_ms"), COUNTS)
def test_counts_in_a_window_come_to_the_alerts_of_window_functions(
    name: str, above: float, times: int, within_ms: int
) -> None:
    points, disorder_ms = points_of(name)
    when = {
        "kind": "count_in_window",
        "metric": "v",
        "above": above,
        "times": times,
        "within_s": within_ms / 1000,
    }
    until_ms = max(at_ms for at_ms, _ in points)
    expected = expected_alerts(
        "count", points, above=above, times=times, within_ms=within_ms, until_ms=until_ms
    )
    assert live(when, points, disorder_ms) == some(expected)
