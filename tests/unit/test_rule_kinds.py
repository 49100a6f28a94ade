"""Every kind of condition: what is given in order and the alerts it comes to, then the same with disorder."""

from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from tests.unit.rule_cases import At, Instance, in_order, live, rule

pytestmark = pytest.mark.alerts

ALL_TIME_S = 10_000_000
ABOVE = {"kind": "threshold", "metric": "v", "raise_above": 90}
HELD = ABOVE | {"clear_below": 85, "for_s": 60}
LEVELS = {"levels": [{"severity": "critical", "raise_above": 95, "clear_below": 93}]}


class Case(NamedTuple):
    """A row of rule_kinds.yaml."""

    name: str
    when: dict[str, Any]
    given: list[At]
    expect: list[Instance]
    until_s: float | None
    more: dict[str, Any]


def cases() -> list[Case]:
    written = yaml.safe_load(Path(__file__).with_name("rule_kinds.yaml").read_text())
    return [_case(**row) for row in written]


def _case(
    name: str,
    when: dict[Any, Any],
    given: list[list[Any]],
    expect: list[list[Any]],
    until_s: float | None = None,
    more: dict[str, Any] | None = None,
) -> Case:
    rows = [At(*row) for row in given]
    return Case(name, when, rows, [(a, b, c, d) for a, b, c, d in expect], until_s, more or {})


CASES = cases()


def values(*pairs: tuple[float, float]) -> list[At]:
    return [At(at_s, value) for at_s, value in pairs]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_readings_in_order_come_to_these_alerts(case: Case) -> None:
    assert in_order(rule(case.when, **case.more), case.given, case.until_s) == case.expect


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_live_with_every_reading_twice_and_swapped_with_the_next_they_come_to_the_same(case: Case) -> None:
    rows = list(case.given)
    for place in range(0, len(rows) - 1, 2):
        rows[place], rows[place + 1] = rows[place + 1], rows[place]
    twice = [row for row in rows for _ in range(2)]
    found, _, late = live(rule(case.when, **case.more), twice, ALL_TIME_S, case.until_s)
    assert late == []
    assert found == case.expect


def test_a_late_reading_is_reported_and_changes_nothing() -> None:
    rows = values((0, 80), (20, 80), (9.999, 99), (21, 80))
    found, told, late = live(rule(ABOVE), rows)
    assert (found, told, late) == ([], [], [rows[2]])


def test_a_reading_out_of_order_withdraws_an_alert_that_never_was() -> None:
    _, told, _ = live(rule(HELD), values((0, 91), (60, 91), (55, 80)))
    assert [change.kind for change in told] == ["raised", "withdrawn"]
    assert told[0].alert_id == told[1].alert_id


def test_a_reading_out_of_order_raises_an_alert_that_was_missed() -> None:
    _, told, _ = live(rule(ABOVE), values((0, 80), (9, 80), (5, 91)))
    assert [(change.kind, change.at_ms % 100_000) for change in told] == [("raised", 5000), ("cleared", 9000)]


def test_an_alert_that_ended_later_than_told_is_open_again_until_then() -> None:
    rows = values((0, 91), (5, 84), (9, 84))
    _, told, _ = live(rule(HELD | {"for_s": 0}), [rows[0], rows[2], rows[1]])
    assert [change.kind for change in told] == ["raised", "cleared", "updated", "cleared"]


def test_severity_changes_are_told_as_escalated_and_downgraded() -> None:
    _, told, _ = live(rule(ABOVE, **LEVELS), values((0, 91), (1, 96), (2, 92), (3, 80)))
    kinds = [(change.kind, change.severity) for change in told]
    assert kinds == [
        ("raised", "warning"),
        ("escalated", "critical"),
        ("downgraded", "warning"),
        ("cleared", "warning"),
    ]


def test_silence_that_a_reading_out_of_order_breaks_is_never_told() -> None:
    silent = rule({"kind": "absence", "metric": "v", "after_s": 60})
    found, told, _ = live(silent, values((0, 1), (100, 1), (50, 1)), 60)
    assert (found, told) == ([], [])
