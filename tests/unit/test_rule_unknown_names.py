"""A rule about something that nobody has says so, and names what was probably meant."""

from typing import Any

import pytest

from udfs.rules.model import parse_rule
from udfs.rules.unknown_names import KnownNames, unknown_names

KNOWN = KnownNames(
    sites={"hall-1", "hall-2"},
    profiles={"pump", "default"},
    tags={"line-3"},
    devices={"pump-1", "pump-2"},
    metrics={"temperature_c", "pressure_hpa"},
)
HOT = {"kind": "threshold", "metric": "temperature_c", "raise_above": 90}


def said(when: dict[str, Any] = HOT, known: KnownNames = KNOWN, **more: Any) -> list[str]:
    return unknown_names(parse_rule({"rule": "r", "when": when} | more), known)


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"scope": {"sites": ["hall-1", "hal-2"]}}, "there is no site 'hal-2'; did you mean 'hall-2'?"),
        ({"scope": {"profiles": ["pumps"]}}, "there is no profile 'pumps'; did you mean 'pump'?"),
        ({"scope": {"tags": ["LINE_3"]}}, "no device has tag 'LINE_3'; did you mean 'line-3'?"),
        ({"scope": {"devices": ["pomp-1"]}}, "nobody knows a device 'pomp-1'; did you mean 'pump-1'?"),
        ({"overrides": {"zzz": {"raise_above": 5}}}, "nobody knows a device 'zzz'"),
        (
            {"when": HOT | {"metric": "temprature_c"}},
            "no device has sent metric 'temprature_c'; did you mean 'temperature_c'?",
        ),
        (
            {"when": {"kind": "absence", "metric": "flow", "after_s": 60}},
            "no device has sent metric 'flow'",
        ),
    ],
)
def test_a_name_nobody_has_is_said_with_the_nearest(more: dict[str, Any], sentence: str) -> None:
    assert said(**more) == [sentence]


def test_every_metric_of_a_sequence_is_looked_for() -> None:
    steps = [
        {"as": "a", "metric": "temperature_c", "above": 1},
        {"as": "b", "metric": "presure_hpa", "above": 1},
    ]
    assert said({"kind": "sequence", "steps": steps, "within_s": 60}) == [
        "no device has sent metric 'presure_hpa'; did you mean 'pressure_hpa'?"
    ]


def test_what_is_known_and_what_nobody_can_tell_is_no_warning() -> None:
    scope = {"sites": ["hall-1"], "devices": ["pump-1"], "tags": ["line-3"], "profiles": ["pump"]}
    assert said(scope=scope) == []
    assert said({"kind": "absence", "after_s": 60}) == []
    assert said(scope={"sites": ["x"], "devices": ["y"]}, known=KnownNames()) == []
