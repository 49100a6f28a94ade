"""What a rule may say, what is refused and with which words, and that its examples are executed."""

from typing import Any

import pytest

from millrace.errors import MillraceError
from tests.unit.rule_cases import rule
from udfs.rules.examples import run_examples
from udfs.rules.model import condition_for, parse_rule
from udfs.rules.reading import RuleDevice
from udfs.rules.yaml_form import read_rules

pytestmark = pytest.mark.alerts

WHEN = {"kind": "threshold", "metric": "t", "raise_above": 90}
RULE = {"rule": "hot", "when": WHEN}
REFUSED: list[tuple[str, Any, str]] = [
    (
        "an unknown key",
        RULE | {"sevrity": "info"},
        "sevrity: there is no key 'sevrity'; did you mean 'severity'?",
    ),
    (
        "an unknown key of a condition",
        RULE | {"when": WHEN | {"raise": 1}},
        "when.raise: there is no key 'raise'; did you mean 'raise_above'?",
    ),
    ("an unknown kind", RULE | {"when": {"kind": "treshold"}}, "kinds are absence, count_in_window"),
    ("no kind", RULE | {"when": {"metric": "t"}}, "kinds are absence"),
    ("no condition", {"rule": "hot"}, "missing required field `when`"),
    ("a name with blanks", RULE | {"rule": "too hot"}, "$.rule"),
    (
        "both directions",
        RULE | {"when": WHEN | {"raise_below": 1}},
        "exactly one of raise_above, raise_below",
    ),
    (
        "a clearing limit beyond the raising one",
        RULE | {"when": WHEN | {"clear_below": 91}},
        "clear_below must not",
    ),
    (
        "a clearing limit of the other direction",
        RULE | {"when": WHEN | {"clear_above": 80}},
        "clears with clear_below",
    ),
    ("no duration of silence", RULE | {"when": {"kind": "absence"}}, "after_s"),
    ("a sequence of one step", RULE | {"when": {"kind": "sequence", "within_s": 1, "steps": []}}, "steps"),
    ("an area and another", RULE | {"when": {"kind": "geofence"}}, "exactly one of polygon, circle"),
    ("an override that does not fit", RULE | {"overrides": {"d": {"above": 1}}}, "override of d is wrong"),
    (
        "levels of a silence",
        {"rule": "x", "when": {"kind": "absence", "after_s": 1}, "levels": [{"severity": "critical"}]},
        "levels belong to thresholds",
    ),
    (
        "a level inside the limit",
        RULE | {"levels": [{"severity": "critical", "raise_above": 80}]},
        "go outward",
    ),
    ("a level less severe", RULE | {"levels": [{"severity": "info", "raise_above": 95}]}, "grow in severity"),
    ("an unknown time zone", RULE | {"schedule": {"timezone": "Mars/Base"}}, "Mars/Base"),
    ("a text for a number", RULE | {"when": WHEN | {"raise_above": "90"}}, "$.when.raise_above"),
    ("a list", [], "Expected `object`"),
]


@pytest.mark.parametrize(("data", "said"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_a_rule_is_refused_with_words_that_say_what_is_wrong(data: Any, said: str) -> None:
    with pytest.raises(MillraceError) as refused:
        parse_rule(data)
    assert said in str(refused.value)


SCOPES = [
    ({}, True),
    ({"sites": ["north", "south"]}, True),
    ({"sites": ["south"]}, False),
    ({"tags": ["old", "loud"]}, True),
    ({"profiles": ["pump"], "devices": ["pump-2"]}, False),
    ({"profiles": ["pump"], "devices": ["pump-1"], "sites": ["north"], "tags": ["loud"]}, True),
]


@pytest.mark.parametrize(("scope", "covered"), SCOPES)
def test_every_list_of_a_scope_must_hold_and_any_entry_of_a_list(scope: Any, covered: bool) -> None:
    device = RuleDevice("acme", "pump-1", "north", "pump", ("loud",))
    assert parse_rule(RULE | {"scope": scope}).scope.covers(device) is covered


def test_an_override_changes_the_condition_of_its_device_only() -> None:
    given = rule(WHEN, overrides={"pump-7": {"raise_above": 80}})
    assert condition_for(given, "pump-7") == rule(WHEN | {"raise_above": 80}).when
    assert condition_for(given, "pump-8") == given.when


def test_plain_words_of_yaml_mean_what_they_look_like() -> None:
    text = """
    rule: yard
    when: {kind: geofence, on: leave, circle: {lat: 52, lon: 13, radius_m: 1e3}}
    schedule: {from: 08:00, to: 18:30}
    examples: {silent: [{name: none, start: 2024-01-01T00:00:00Z, readings: []}]}
    """
    (found,) = read_rules(text)
    assert found.schedule is not None
    assert (found.schedule.from_, found.schedule.to) == ("08:00", "18:30")
    assert found.examples.silent[0].start == "2024-01-01T00:00:00Z"
    assert run_examples(found) == []


@pytest.mark.parametrize("text", ["{", "a: !!python/name:os.system x", "rule: a\n---\nrule: a"])
def test_a_text_that_holds_no_rules_is_refused(text: str) -> None:
    with pytest.raises(MillraceError):
        read_rules(text)


def test_two_rules_of_one_name_are_refused() -> None:
    one = "rule: a\nwhen: {kind: absence, after_s: 1}\n"
    with pytest.raises(MillraceError, match="named twice: a"):
        read_rules(f"{one}---\n{one}")


HOT = [[0, {"t": 80}], [10, {"t": 91}], [20, {"t": 80}]]
EXAMPLES: list[tuple[str, str, dict[str, Any], str]] = [
    (
        "as expected",
        "fires",
        {"readings": HOT, "expect": [{"onset_s": 10, "cleared_s": 20, "severity": "warning"}]},
        "",
    ),
    ("another onset", "fires", {"readings": HOT, "expect": [{"onset_s": 11}]}, "raised with onset at 10 s"),
    (
        "another end",
        "fires",
        {"readings": HOT, "expect": [{"onset_s": 10, "cleared_s": 21}]},
        "cleared at 20 s",
    ),
    (
        "still open",
        "fires",
        {"readings": HOT[:2], "expect": [{"onset_s": 10, "cleared_s": 20}]},
        "is still open",
    ),
    (
        "another severity",
        "fires",
        {"readings": HOT, "expect": [{"onset_s": 10, "severity": "info"}]},
        "is warning",
    ),
    ("one too few", "fires", {"readings": HOT[:1], "expect": [{"onset_s": 10}]}, "none was raised"),
    (
        "one too many",
        "fires",
        {"readings": [*HOT, [30, {"t": 91}]], "expect": [{"onset_s": 10}]},
        "not expected",
    ),
    ("not silent", "silent", {"readings": HOT}, "not expected"),
    ("silent", "silent", {"readings": HOT[:1]}, ""),
    ("another device", "silent", {"readings": HOT, "device": "tough"}, ""),
    ("a reading of the wrong form", "silent", {"readings": [["t", 80]]}, "cannot be read"),
    ("a place that is none", "silent", {"readings": [[0, {}, [91, 0]]]}, "cannot be read"),
    (
        "a start without a zone",
        "silent",
        {"readings": HOT, "start": "2024-01-01T00:00:00"},
        "needs a time zone",
    ),
    (
        "too many readings",
        "silent",
        {"readings": [{"from_s": 0, "to_s": 1e6, "every_s": 1, "metrics": {"t": 1}}]},
        "at most",
    ),
]


@pytest.mark.parametrize(
    ("kind", "example", "said"), [row[1:] for row in EXAMPLES], ids=[row[0] for row in EXAMPLES]
)
def test_an_example_fails_exactly_when_the_rule_does_not_do_what_it_says(
    kind: str, example: dict[str, Any], said: str
) -> None:
    given = rule(WHEN, overrides={"tough": {"raise_above": 99}}, examples={kind: [{"name": "it"} | example]})
    failures = run_examples(given)
    assert [failure.example for failure in failures] == (["it"] if said else [])
    assert all(said in failure.what for failure in failures)
