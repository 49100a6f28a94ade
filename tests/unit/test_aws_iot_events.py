"""AWS IoT Events models as rules, and what the report says of the rest."""

import json
from math import inf, nextafter
from pathlib import Path
from typing import Any

import pytest

from millrace.errors import MillraceError
from tests.unit.rule_cases import DEVICE, START_MS
from udfs.rules.aws_expression import Alternatives, Always, Compare, Other, Timeout, alternatives
from udfs.rules.aws_iot_events import Imported, import_model
from udfs.rules.history import alerts_of
from udfs.rules.model import rule_data
from udfs.rules.reading import RuleReading

pytestmark = pytest.mark.alerts

MODELS = Path(__file__).with_name("iot_events")
UNDER_70 = nextafter(70, -inf)


def imported(name: str, **more: Any) -> Imported:
    return import_model(json.loads((MODELS / f"{name}.json").read_text()), **more)


CASES: list[tuple[str, dict[str, Any], list[str]]] = [
    (
        "motor_pressure",
        {"when": {"kind": "threshold", "metric": "pressure", "raise_above": UNDER_70}},
        ["differs: clears when $variable.breaches <= 0", "left out: sns"],
    ),
    (
        "heartbeat",
        {"when": {"kind": "absence", "after_s": 300.0}},
        ["left out: iotTopicPublish"],
    ),
    (
        "freezer",
        {
            "when": {
                "kind": "threshold",
                "metric": "temperature",
                "raise_above": -15.0,
                "clear_below": -18.0,
                "for_s": 600.0,
            },
            "levels": [{"severity": "critical", "raise_above": -5.0}],
        },
        ["differs: a timer ends by itself", "left out: $input.Freezer.door == 1", "left out: lambda"],
    ),
    (
        "alarm",
        {"when": {"kind": "threshold", "metric": "battery-level", "raise_below": nextafter(20, inf)}},
        ["differs: 3 has no meaning", "left out: notifications"],
    ),
]


@pytest.mark.parametrize(("name", "expected", "notes"), CASES, ids=[row[0] for row in CASES])
def test_a_model_becomes_a_rule_and_a_report(name: str, expected: dict[str, Any], notes: list[str]) -> None:
    found = imported(name)
    (data,) = [rule_data(one) for one in found.rules]
    assert {key: data[key] for key in expected} == expected
    assert data["state"] == "shadow"
    said = [f"{note.kind}: {note.what}" for note in found.notes]
    assert len(said) == len(notes)
    assert all(line.startswith(note) for line, note in zip(said, notes, strict=True)), said


def test_a_limit_that_includes_its_number_still_does() -> None:
    (rule,) = imported("motor_pressure").rules
    values = [69.999, 70.0, 69.999]
    readings = [RuleReading(START_MS + place, {"pressure": value}) for place, value in enumerate(values)]
    (alert,) = alerts_of(rule, DEVICE, readings)
    assert (alert.onset_ms - START_MS, (alert.cleared_ms or 0) - START_MS) == (1, 2)


def test_attributes_take_the_names_of_metrics_and_rules_the_state_that_is_asked() -> None:
    found = imported("alarm", metrics={"battery-level": "battery_pct"}, state="disabled")
    (rule,) = found.rules
    assert rule.state == "disabled"
    assert rule_data(rule)["when"]["metric"] == "battery_pct"


@pytest.mark.parametrize("data", [{}, {"detectorModelDefinition": {"states": [{}]}}, {"alarmRule": {}}, []])
def test_what_is_no_model_is_refused(data: Any) -> None:
    with pytest.raises(MillraceError):
        import_model(data)


def compare(sign: Any, number: float) -> Compare:
    return Compare("t", sign, number)


EXPRESSIONS: list[tuple[str, Alternatives]] = [
    ("", [(Always(),)]),
    ("true", [(Always(),)]),
    ("$input.I.t > 5", [(compare(">", 5),)]),
    ("5.5 >= $input.I.`t`", [(compare("<=", 5.5),)]),
    ("!($input.I.t > 5)", [(compare("<=", 5),)]),
    ("$input.I.t > -(2 + 3) * 2", [(compare(">", -10),)]),
    ("$input.I.t > $variable.limit", [(compare(">", 7),)]),
    ("$input.I.t > $variable.count", [(Other("$input.I.t > $variable.count"),)]),
    ("convert(Decimal, $input.I.t) < 1", [(compare("<", 1),)]),
    ("$input.I.t > 5 || $input.I.t < 1", [(compare(">", 5),), (compare("<", 1),)]),
    ("!($input.I.t > 5 || $input.I.t < 1)", [(compare("<=", 5), compare(">=", 1))]),
    ("currentInput('I') && $input.I.t > 5 && !isUndefined($input.I.t)", [(compare(">", 5),)]),
    ("timeout(\"t1\") && triggerType('Timer')", [(Timeout("t1"),)]),
    ("$input.I.a[2] > 1", [(Compare("a[2]", ">", 1),)]),
    ("$input.I.name == 'x'", [(Other("$input.I.name == 'x'"),)]),
    ("false", []),
]


@pytest.mark.parametrize(("text", "expected"), EXPRESSIONS, ids=[row[0] for row in EXPRESSIONS])
def test_expressions_are_read_as_the_service_reads_them(text: str, expected: Alternatives) -> None:
    assert alternatives(text, {"limit": 7.0}) == expected


@pytest.mark.parametrize("text", ["$input.I.t >", "(1 > 2", "1 2", "#", "&& 1", "f(1", "1" * 600, "f(1 2)"])
def test_what_is_no_expression_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        alternatives(text)
