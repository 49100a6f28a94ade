"""Which rules late readings concern, and how much is read for them."""

from datetime import UTC, datetime
from typing import Any

import pytest

from catalog.rule_store import State, StoredRule
from jobs.corrections.alert_reads import HOUR_MS, Hour
from jobs.corrections.alert_repair import MARGIN_MS, stretch_of
from jobs.corrections.alert_rules import TenantRules
from udfs.rules.look_back import DAY_MS
from udfs.rules.reading import RuleDevice

pytestmark = pytest.mark.alerts

PUMP = RuleDevice("acme", "pump", "north", "heavy", ("spare",))
FINAL_MS = 10 * DAY_MS
HOT = {"kind": "threshold", "metric": "t", "raise_above": 90, "for_s": 60}


def stored(name: str, when: dict[str, Any] = HOT, state: State = "enabled", **more: Any) -> StoredRule:
    definition = {"rule": name, "when": when} | more
    return StoredRule("acme", name, 3, state, definition, datetime(2026, 1, 1, tzinfo=UTC), "ann")


def judging(*rules: StoredRule, metrics: tuple[str, ...] = ("t",), located: bool = False) -> list[str]:
    return [judge.compiled.rule for judge in TenantRules(rules).judges(PUMP, metrics, located)]


@pytest.mark.parametrize(
    ("scope", "covered"),
    [
        ({}, True),
        ({"tags": ["spare"], "sites": ["north"]}, True),
        ({"profiles": ["heavy"]}, True),
        ({"devices": ["pump"]}, True),
        ({"tags": ["main"]}, False),
        ({"sites": ["south"]}, False),
    ],
)
def test_a_rule_judges_devices_in_its_scope(scope: dict[str, Any], covered: bool) -> None:
    assert judging(stored("a", scope=scope)) == (["a"] if covered else [])


def test_a_rule_judges_what_late_readings_carry() -> None:
    fence = {"kind": "geofence", "circle": {"lat": 0, "lon": 0, "radius_m": 10}}
    rules = [stored("hot"), stored("far", fence)]
    assert judging(*rules) == ["hot"]
    assert judging(*rules, metrics=("u",)) == []
    assert judging(*rules, metrics=(), located=True) == ["far"]


def test_absence_and_rules_out_of_force_judge_nothing() -> None:
    silent = {"kind": "absence", "metric": "t", "after_s": 60}
    rules = [stored("off", state="disabled"), stored("silent", silent), stored("tried", state="shadow")]
    assert judging(*rules) == ["tried"]
    (judge,) = TenantRules(rules).judges(PUMP, ("t",), False)
    assert (judge.compiled.shadow, judge.compiled.version) == (True, 3)


def test_a_definition_nobody_understands_stops_no_other() -> None:
    assert judging(stored("bad", {"kind": "magic"}), stored("good")) == ["good"]


def hour(number: int, far: int = 0) -> Hour:
    return Hour("acme/pump", 5 * DAY_MS + number * HOUR_MS, ("t",), False, far)


@pytest.mark.parametrize(("far", "back_ms"), [(0, MARGIN_MS), (1, 6 * MARGIN_MS), (3, DAY_MS)])
def test_what_is_read_reaches_as_far_as_the_rules_look(far: int, back_ms: int) -> None:
    rules, hours = TenantRules([stored("hot")]), [hour(0, far), hour(2)]
    stretch = stretch_of(PUMP, hours, rules, FINAL_MS)
    assert stretch is not None
    end_ms = 5 * DAY_MS + 3 * HOUR_MS - 1
    assert stretch.span == (5 * DAY_MS - 120_000 - back_ms, end_ms + 120_000 + MARGIN_MS)
    near_end = stretch_of(PUMP, hours, rules, 5 * DAY_MS + 1_000)
    assert near_end is not None
    assert near_end.span.to_ms == 5 * DAY_MS + 999
    assert stretch_of(PUMP, hours, TenantRules([]), FINAL_MS) is None
