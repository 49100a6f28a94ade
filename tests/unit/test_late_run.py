"""What late readings raise, against the evaluator over history with them and without."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.rule_cases import DEVICE, START_MS, At, Keeper, book_of, rule, since
from tests.unit.test_rule_runner import RULES
from udfs.rules.alerts import Alert
from udfs.rules.history import alerts_of
from udfs.rules.late_run import LateRun, ended
from udfs.rules.model import Rule
from udfs.rules.reading import RuleReading, order

pytestmark = pytest.mark.alerts

HOT = {"kind": "threshold", "metric": "v", "raise_above": 6, "clear_below": 3}
JUDGES = [one for one in book_of(*RULES).rules_for(DEVICE).by_name.values() if not one.evaluator.waits]
VALUES = st.none() | st.integers(0, 9).map(float)
ROWS = st.lists(
    st.tuples(
        st.integers(0, 120).map(lambda half: half * 500 + (3_600_000 if half > 100 else 0)),
        VALUES, VALUES, st.none() | st.tuples(VALUES.filter(bool), VALUES.filter(bool)), st.booleans(),
    ),
    max_size=40,
)  # fmt: skip


def run_of(given_rule: Rule) -> LateRun:
    (one,) = book_of(given_rule).rules_for(DEVICE).by_name.values()
    return LateRun(one, DEVICE)


def hot(*rows: tuple[float, float, bool], until_s: float = 100) -> LateRun:
    """Run a threshold over (second, value, late)."""
    run = run_of(rule(HOT))
    for at_s, value, late in rows:
        run.take(At(at_s, value).reading, late)
    run.pass_time(START_MS + round(until_s * 1000))
    return run


def told(run: LateRun) -> list[tuple[str, float, float]]:
    return [(one.kind, since(one.onset_ms), since(one.at_ms)) for one in run.changes()]


def raised(run: LateRun) -> list[Alert]:
    keeper = Keeper()
    keeper.take(run.changes())
    return keeper.sorted()


@settings(max_examples=150, deadline=None)
@given(ROWS, st.integers(0, 40))
def test_what_is_told_is_what_history_has_with_late_readings_and_not_without(
    rows: list[Any], cut: int
) -> None:
    known: dict[str, tuple[RuleReading, bool]] = {}
    for time_ms, value, other, place, late in rows:
        reading = At(time_ms / 1000, value, other, place).reading
        _, before = known.get(str(reading), (reading, True))
        known[str(reading)] = (reading, late and before)
    ordered = sorted(known.values(), key=lambda pair: order(pair[0]))
    for one in JUDGES:
        given_rule = next(each for each in RULES if each.rule == one.rule)
        until_ms = START_MS + 8_000_000
        whole = alerts_of(given_rule, DEVICE, [reading for reading, _ in ordered], until_ms, 1)
        in_time = alerts_of(given_rule, DEVICE, [r for r, late in ordered if not late], until_ms, 1)
        anyway = {alert.alert_id for alert in in_time}
        assert run_in_pieces(one, ordered, cut, until_ms) == [a for a in whole if a.alert_id not in anyway]


def run_in_pieces(one: Any, ordered: list[tuple[RuleReading, bool]], cut: int, until_ms: int) -> list[Alert]:
    """Run up to a cut, go on from what is kept of it, and return the alerts that late readings raised."""
    keeper = Keeper()
    run = LateRun(one, DEVICE)
    for reading, late in ordered[:cut]:
        run.take(reading, late)
    keeper.take(run.changes())
    run = LateRun(one, DEVICE, run.encode())
    for reading, late in ordered[cut:]:
        run.take(reading, late)
    run.pass_time(until_ms)
    keeper.take(run.changes())
    return keeper.sorted()


def test_a_late_reading_beyond_the_limit_raises_and_the_next_one_clears() -> None:
    run = hot((0, 1, False), (10, 9, True), (20, 2, False))
    assert told(run) == [("raised", 10, 10), ("cleared", 10, 20)]
    assert all(change.retroactive for change in run.changes())
    assert (run.is_over, run.has_open, run.kept.knows_past) == (True, False, True)


def test_an_alert_that_was_open_anyway_is_none_of_the_late_readings() -> None:
    assert told(hot((0, 9, False), (10, 9, True), (20, 1, False), (30, 9, True), (40, 1, False))) == [
        ("raised", 30, 30),
        ("cleared", 30, 40),
    ]
    assert told(hot((0, 9, False), (10, 1, True), (20, 1, False))) == []


def test_a_late_reading_that_changes_nothing_is_over_at_once() -> None:
    run = hot((0, 1, False), (10, 2, True), (20, 1, False))
    assert (told(run), run.is_over) == ([], True)


def test_an_alert_that_stays_open_is_told_and_is_not_over() -> None:
    run = hot((0, 1, False), (10, 9, True), (20, 5, False))
    assert told(run) == [("raised", 10, 10)]
    assert (run.is_over, run.has_open, since(run.kept.answered_ms)) == (False, True, 20)
    (change,) = ended(run.encode(), DEVICE, START_MS + 50_000, "the rule was changed")
    assert (change.kind, since(change.at_ms), change.retroactive) == ("cleared", 50, True)
    assert ended(hot((0, 9, False)).encode(), DEVICE, START_MS, "why") == []


def test_severity_goes_up_and_down_as_it_did() -> None:
    levels = [{"severity": "critical", "raise_above": 8}]
    run = run_of(rule(HOT, levels=levels))
    for at_s, value, late in [(0, 1, False), (10, 7, True), (20, 9, True), (30, 7.5, True), (40, 1, False)]:
        run.take(At(at_s, value).reading, late)
    assert [change.kind for change in run.changes()] == ["raised", "escalated", "downgraded", "cleared"]
    assert [change.severity for change in run.changes()] == ["warning", "critical", "warning", "warning"]


def test_a_device_of_which_nothing_is_known_before_says_so() -> None:
    assert not hot((10, 9, True), (20, 1, False)).kept.knows_past
    assert [alert.onset_ms for alert in raised(hot((10, 9, True)))] == [START_MS + 10_000]
