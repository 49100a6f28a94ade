"""The runner of a device against the evaluator that sees everything in order."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.rule_cases import DEVICE, START_MS, At, Keeper, book_of, rule
from udfs.rules.history import alerts_of
from udfs.rules.model import Rule
from udfs.rules.runner import MOST_PENDING, DeviceRunner

pytestmark = pytest.mark.alerts

OUT_OF_ORDER_MS = 10_000
SCHEDULE = {"from": "00:00", "to": "00:01"}
KINDS: dict[str, dict[str, Any]] = {
    "threshold": {"kind": "threshold", "metric": "v", "raise_above": 6, "clear_below": 3, "for_s": 4},
    "threshold-below": {"kind": "threshold", "metric": "v", "raise_below": 3},
    "count": {"kind": "count_in_window", "metric": "v", "above": 5, "times": 3, "within_s": 6},
    "rate": {"kind": "rate_of_change", "metric": "v", "per_s": 1, "above": 2, "over_s": 2},
    "absence": {"kind": "absence", "metric": "w", "after_s": 5},
    "absence-any": {"kind": "absence", "after_s": 3},
    "deviation": {
        "kind": "deviation", "metric": "v", "z": 1, "min_samples": 3, "season": "none", "baseline_days": 1,
    },
    "forecast": {"kind": "forecast", "metric": "v", "will_cross_above": 8, "within_s": 20, "confidence": 0.6},
    "holt": {
        "kind": "forecast", "metric": "v", "will_cross_below": 2, "within_s": 2, "method": "holt",
        "confidence": 0.6,
    },
    "geofence": {"kind": "geofence", "circle": {"lat": 0, "lon": 0, "radius_m": 600_000}, "on": "enter"},
    "sequence": {
        "kind": "sequence", "within_s": 8, "without": {"metric": "v", "below": 1},
        "steps": [
            {"as": "a", "metric": "v", "above": 6},
            {"as": "b", "metric": "w", "above": 3},
            {"as": "c", "metric": "v", "below": 5},
        ],
    },
}  # fmt: skip


def rules() -> list[Rule]:
    found = [rule(when, rule=name) for name, when in KINDS.items()]
    scheduled = rule(KINDS["threshold-below"], rule="scheduled", schedule=SCHEDULE)
    levels = [{"severity": "critical", "raise_above": 8}]
    return [*found, scheduled, rule(KINDS["threshold"], rule="levels", levels=levels)]


RULES = rules()
BOOK = book_of(*RULES)
VALUES = st.integers(0, 9).map(float)
ROWS = st.lists(
    st.tuples(
        st.integers(0, 120).map(lambda half: half * 500 + (3_600_000 if half > 100 else 0)),
        st.none() | VALUES,
        st.none() | VALUES,
        st.none() | st.tuples(VALUES, VALUES),
        st.integers(0, OUT_OF_ORDER_MS - 1),
    ),
    max_size=40,
)
CUTS = st.lists(st.sampled_from(["take", "watermark", "cut"]), min_size=40, max_size=40)


@settings(max_examples=60, deadline=None)
@given(ROWS, CUTS, st.integers(1, 5))
def test_any_order_within_the_bound_and_any_cut_end_with_the_alerts_of_readings_in_order(
    rows: list[Any], steps: list[str], batch: int
) -> None:
    readings = [
        (time_ms + delay_ms, At(time_ms / 1000, value, other, place).reading)
        for time_ms, value, other, place, delay_ms in rows
    ]
    arrived = [reading for _, reading in sorted(readings, key=lambda pair: pair[0])]
    runner, keeper = DeviceRunner(DEVICE, BOOK), Keeper()
    newest_ms, waiting = 0, []
    for reading, step in zip(arrived, steps, strict=False):
        # The second time it is a duplicate.
        waiting += [reading, reading]
        newest_ms = max(newest_ms, reading.event_time_ms)
        if len(waiting) < batch:
            continue
        outcome = runner.take(waiting)
        assert not outcome.late
        keeper.take(outcome.changes)
        waiting = []
        if step == "watermark":
            keeper.take(runner.pass_time(newest_ms - OUT_OF_ORDER_MS))
        elif step == "cut":
            runner = DeviceRunner.decode(DEVICE, BOOK, runner.encode())
    keeper.take(runner.take(waiting).changes)
    end_ms = START_MS + 4_000_000
    keeper.take(runner.pass_time(end_ms))
    expected = [alert for one in RULES for alert in alerts_of(one, DEVICE, arrived, end_ms, version=1)]
    expected.sort(key=lambda alert: (alert.rule, alert.raised_ms, alert.onset_ms))
    assert keeper.sorted() == expected


def test_a_rule_that_does_not_match_is_neither_looked_at_nor_remembered() -> None:
    others = [
        rule(KINDS["threshold"] | {"metric": f"m{number}"}, rule=f"r{number}") for number in range(1000)
    ]
    book = book_of(*others, rule(KINDS["threshold"], rule="one"))
    runner = DeviceRunner(DEVICE, book)
    reading = At(0, 9, 9).reading
    runner.take([reading])
    assert [one.rule for one in book.rules_for(DEVICE).matching(reading)] == ["one"]
    assert list(runner.state.runs) == ["one"]


def test_a_rule_of_two_metrics_sees_a_reading_of_both_once() -> None:
    reading = At(0, 9, 9, (0.0, 0.0)).reading
    names = [one.rule for one in BOOK.rules_for(DEVICE).matching(reading)]
    assert len(names) == len(set(names))
    assert {"sequence", "geofence", "absence-any"} <= set(names)


def test_more_readings_than_fit_before_a_lagging_watermark_are_settled_early() -> None:
    runner = DeviceRunner(DEVICE, book_of(rule(KINDS["threshold-below"])))
    rows = [At(number, 1 if number == 3 else 9).reading for number in range(MOST_PENDING + 1)]
    changes = runner.take(rows).changes
    assert [change.kind for change in changes] == ["raised", "cleared"]
    assert len(runner.state.pending) <= MOST_PENDING // 2
    assert runner.take(rows[:1]).late == rows[:1]


def test_the_deadline_says_when_time_alone_will_tell_something() -> None:
    runner = DeviceRunner(DEVICE, book_of(rule(KINDS["absence-any"])))
    assert runner.deadline_ms() is None
    runner.take([At(0, 1).reading])
    assert runner.deadline_ms() == START_MS
    assert runner.pass_time(START_MS) == []
    assert runner.deadline_ms() == START_MS + 3000
    assert [change.kind for change in runner.pass_time(START_MS + 3000)] == ["raised"]


def test_bytes_that_are_no_state_are_refused() -> None:
    with pytest.raises(msgspec.DecodeError):
        DeviceRunner.decode(DEVICE, BOOK, b"\xff")
