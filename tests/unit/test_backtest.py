"""A rule over history in pieces: what is read, what is counted, until when time passes."""

import random
from typing import Any

import pytest

from tests.unit.rule_cases import DEVICE, START_MS, At, rule
from udfs.rules.alerts import Alert
from udfs.rules.backtest import Backtest, Judged, passed_until_ms
from udfs.rules.columns import readings_of
from udfs.rules.discovery import kinds
from udfs.rules.history import PastRun, alerts_of
from udfs.rules.look_back import DAY_MS, look_back_ms
from udfs.rules.reading import RuleReading

pytestmark = pytest.mark.alerts

HIGH: dict[str, Any] = {"kind": "threshold", "metric": "v", "raise_above": 10}
CONDITIONS: list[dict[str, Any]] = [
    HIGH | {"clear_below": 5, "for_s": 30},
    {"kind": "count_in_window", "metric": "v", "above": 10, "times": 3, "within_s": 60},
    {"kind": "absence", "metric": "v", "after_s": 25},
    {"kind": "rate_of_change", "metric": "v", "per_s": 30, "above": 12},
    {"kind": "forecast", "metric": "v", "will_cross_above": 9, "within_s": 300, "confidence": 0.6},
    {"kind": "deviation", "metric": "v", "z": 1, "season": "none", "min_samples": 3},
    {
        "kind": "sequence",
        "steps": [{"as": "a", "metric": "v", "above": 15}, {"as": "b", "metric": "v", "below": 3}],
        "within_s": 60,
    },
    {"kind": "geofence", "circle": {"lat": 10, "lon": 10, "radius_m": 500_000}},
]


def rows(seed: int, count: int = 600) -> list[At]:
    chance = random.Random(seed)
    moved = (0.0, 0.0)
    found = []
    for number in range(count):
        moved = (moved[0] + chance.uniform(-1, 2) / 10, moved[1] + chance.uniform(-1, 2) / 10)
        value = chance.choice([None, chance.uniform(0, 20), chance.uniform(0, 20)])
        found.append(At(number * 10.0, value, place=moved))
    return found


def judged(when: dict[str, Any], from_s: float, to_s: float) -> Judged:
    from_ms, to_ms = (START_MS + round(1000 * second) for second in (from_s, to_s))
    return Judged(rule(when), 3, "acme", from_ms, to_ms)


@pytest.mark.parametrize("when", CONDITIONS, ids=lambda when: str(when["kind"]))
def test_pieces_of_history_come_to_the_alerts_of_the_whole(when: dict[str, Any]) -> None:
    readings = [row.reading for row in rows(3)]
    whole = alerts_of(rule(when), DEVICE, readings, version=1)
    run = PastRun(rule(when), DEVICE, 1)
    pieces: list[Alert] = []
    for begin in range(0, len(readings), 70):
        piece = readings[begin : begin + 70]
        random.Random(begin).shuffle(piece)
        run.take(piece)
        pieces += run.over()
    run.pass_time(readings[-1].event_time_ms)
    assert pieces + run.alerts() == whole
    assert whole


def test_every_kind_is_tried_in_pieces() -> None:
    assert {when["kind"] for when in CONDITIONS} == set(kinds())


@pytest.mark.parametrize("when", CONDITIONS, ids=lambda when: str(when["kind"]))
def test_a_look_back_covers_what_the_condition_remembers(when: dict[str, Any]) -> None:
    seconds = sum(value for name, value in when.items() if name.endswith("_s"))
    days = 14 if when["kind"] == "deviation" else 0
    assert look_back_ms(rule(when)) == DAY_MS * (1 + days) + 2000 * seconds


def test_the_override_that_needs_most_sets_the_look_back() -> None:
    given = rule(HIGH | {"for_s": 60}, overrides={"pump-1": {"for_s": 7200}, "pump-2": {"for_s": 5}})
    assert look_back_ms(given) == DAY_MS + 2 * 7_200_000


def test_columns_become_readings_without_what_was_not_sent() -> None:
    assert readings_of([1, 2], {"v": [1.5, None]}) == [RuleReading(1, {"v": 1.5}), RuleReading(2, {})]
    two = readings_of([1, 2], {"v": [1.0, None], "w": [None, 4.0]}, ([50.0, None], [8.0, None]))
    assert two == [RuleReading(1, {"v": 1.0}, 50.0, 8.0), RuleReading(2, {"w": 4.0})]
    assert readings_of([7], {}) == [RuleReading(7, {})]


def test_only_alerts_raised_in_the_range_count() -> None:
    run = Backtest(judged(HIGH, 100, 200), most=10)
    # Raised in the look-back and open at the start; raised inside; raised at the end, which is outside.
    values = [(50, 11), (110, 5), (150, 12), (160, 5), (200, 12)]
    run.take("pump-1", [At(second, value).reading for second, value in values])
    run.take("pump-2", [At(120, 1).reading])
    verdict = run.finish(START_MS + 199_999)
    assert (verdict.fired, verdict.devices_fired, verdict.devices_judged) == (1, 1, 2)
    [(device_id, alert)] = verdict.instances
    assert (device_id, alert.onset_ms - START_MS, alert.rule_version) == ("pump-1", 150_000, 3)


def test_more_instances_than_are_kept_are_counted_and_the_earliest_are_kept() -> None:
    run = Backtest(judged(HIGH, 0, 10_000), most=3)
    for device_id in ("pump-2", "pump-1"):
        flips = [At(second, 11 if second % 20 == 0 else 5).reading for second in range(0, 400, 10)]
        for begin in range(0, len(flips), 4):
            run.take(device_id, flips[begin : begin + 4])
    verdict = run.finish(START_MS + 9_999_999)
    assert (verdict.fired, verdict.devices_fired) == (40, 2)
    kept = [(device_id, alert.onset_ms - START_MS) for device_id, alert in verdict.instances]
    assert kept == [("pump-1", 0), ("pump-2", 0), ("pump-1", 20_000)]


def test_an_override_counts_for_its_device() -> None:
    given = rule(HIGH, overrides={"pump-2": {"raise_above": 20}})
    run = Backtest(Judged(given, 0, "acme", START_MS, START_MS + 1000), most=3)
    for device_id in ("pump-1", "pump-2"):
        run.take(device_id, [At(0, 15).reading])
    assert [device_id for device_id, _ in run.finish(START_MS + 999).instances] == ["pump-1"]


def test_silence_counts_only_as_far_as_the_history_can_tell() -> None:
    taken_ms, to_ms = 10_000_000, 20_000_000
    # The newest reading, unless the table is so much newer that a silent device was heard no more.
    assert passed_until_ms(to_ms, 9_950_000, taken_ms) == 9_950_000
    assert passed_until_ms(to_ms, 5_000_000, taken_ms) == taken_ms - 120_000
    # A clock ahead moves nobody's time, and nothing passes the end of the range.
    assert passed_until_ms(to_ms, 15_000_000, taken_ms) == taken_ms
    assert passed_until_ms(9_000_000, 9_950_000, taken_ms) == 8_999_999
