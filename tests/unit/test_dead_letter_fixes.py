"""The declared fixes: given a message and fixes, expect the message after them, or why not."""

from typing import Any

import pytest
from pydantic import TypeAdapter

from udfs.dead_letter_fixes import Fix, FixError, apply_fixes, touches

pytestmark = pytest.mark.sessions

Message = dict[str, Any]
FIXES: TypeAdapter[list[Fix]] = TypeAdapter(list[Fix])


def fix(name: str, **more: Any) -> dict[str, Any]:
    return {"fix": name} | more


def rename(old: str, new: str) -> dict[str, Any]:
    return fix("rename", **{"from": old, "to": new})


GIVEN_EXPECT: dict[str, tuple[Message, list[Message], Message]] = {
    "no fix changes nothing": ({"a": 1}, [], {"a": 1}),
    "a metric gets its right name": (
        {"metrics": {"temp": 1.5, "b": 2}},
        [rename("metrics.temp", "metrics.temperature_c")],
        {"metrics": {"temperature_c": 1.5, "b": 2}},
    ),
    "a field moves into metrics that were not there": (
        {"temp": 1.5},
        [rename("temp", "metrics.temperature_c")],
        {"metrics": {"temperature_c": 1.5}},
    ),
    "renaming what is absent does nothing": (
        {"metrics": {}},
        [rename("metrics.x", "metrics.y")],
        {"metrics": {}},
    ),
    "a dot in a metric's name is part of the name": (
        {"metrics": {"motor.temp": 1}},
        [rename("metrics.motor.temp", "metrics.temp")],
        {"metrics": {"temp": 1}},
    ),
    "a dot in an unknown field is part of the name": ({"foo.bar": 1}, [fix("remove", field="foo.bar")], {}),
    "a value is set over whatever was there": (
        {"device_id": 5},
        [fix("set", field="device_id", value="d1")],
        {"device_id": "d1"},
    ),
    "a value is set inside an object that is null": (
        {"location": None},
        [fix("set", field="location.lat", value=1.5)],
        {"location": {"lat": 1.5}},
    ),
    "removing what is absent does nothing": (
        {"a": 1},
        [fix("remove", field="b"), fix("remove", field="metrics.b")],
        {"a": 1},
    ),
    "seconds become whole milliseconds": (
        {"event_time": 1_767_225_600.25},
        [fix("scale", field="event_time", factor=1000)],
        {"event_time": 1_767_225_600_250},
    ),
    "a metric keeps its fraction": (
        {"metrics": {"p": 101.3}},
        [fix("scale", field="metrics.p", factor=10)],
        {"metrics": {"p": 1013.0}},
    ),
    "a text becomes the number it shows": (
        {"metrics": {"t": " 21.50 ", "n": "-3e2", "k": 4}},
        [fix("to_number", field=f"metrics.{name}") for name in "tnk"],
        {"metrics": {"t": 21.5, "n": -300.0, "k": 4}},
    ),
    "fixes follow one another": (
        {"event_time": "1767225600"},
        [fix("to_number", field="event_time"), fix("scale", field="event_time", factor=1000)],
        {"event_time": 1_767_225_600_000},
    ),
    "a time without an offset is UTC": (
        {"event_time": "2026-01-01 00:00:00"},
        [fix("assume_utc")],
        {"event_time": "2026-01-01T00:00:00Z"},
    ),
    "a local time is read by a zone": (
        {"event_time": "2026-07-01 12:00"},
        [fix("assume_zone", zone="Europe/Berlin")],
        {"event_time": "2026-07-01T10:00:00Z"},
    ),
    "of a repeated hour the earlier": (
        {"event_time": "2026-10-25T02:30:00"},
        [fix("assume_zone", zone="Europe/Berlin", which="earlier")],
        {"event_time": "2026-10-25T00:30:00Z"},
    ),
    "of a repeated hour the later": (
        {"event_time": "2026-10-25T02:30:00"},
        [fix("assume_zone", zone="Europe/Berlin", which="later")],
        {"event_time": "2026-10-25T01:30:00Z"},
    ),
    "a skipped hour by the offset from before": (
        {"event_time": "2026-03-29T02:30:00"},
        [fix("assume_zone", zone="Europe/Berlin", which="earlier")],
        {"event_time": "2026-03-29T01:30:00Z"},
    ),
    "a time of a known moment is no matter of zones": (
        {"event_time": "2026-03-29T02:30:00+0200"},
        [fix("assume_zone", zone="Europe/Berlin")],
        {"event_time": "2026-03-29T02:30:00+0200"},
    ),
    "nanoseconds become milliseconds": (
        {"event_time": 1_767_225_600_123_456_789},
        [fix("scale", field="event_time", factor=0.000001)],
        {"event_time": 1_767_225_600_123},
    ),
    "a time with an offset stays": (
        {"event_time": "2026-01-01T00:00:00+02:00"},
        [fix("assume_utc", field="event_time")],
        {"event_time": "2026-01-01T00:00:00+02:00"},
    ),
}

GIVEN_REFUSED: dict[str, tuple[Message, list[Message], str]] = {
    "a rename does not overwrite": (
        {"a": 1, "metrics": {"b": 2}},
        [rename("a", "metrics.b")],
        "is there already",
    ),
    "a text cannot be scaled": (
        {"event_time": "5"},
        [fix("scale", field="event_time", factor=2)],
        "is no number",
    ),
    "a truth value is no number": (
        {"metrics": {"a": True}},
        [fix("scale", field="metrics.a", factor=2)],
        "is no number",
    ),
    "a scaled number stays finite": (
        {"metrics": {"a": 1e300}},
        [fix("scale", field="metrics.a", factor=1e300)],
        "range of numbers",
    ),
    "a word shows no number": (
        {"metrics": {"a": "high"}},
        [fix("to_number", field="metrics.a")],
        "shows no number",
    ),
    "NaN as a text shows no number": (
        {"metrics": {"a": "NaN"}},
        [fix("to_number", field="metrics.a")],
        "neither a number",
    ),
    "no metric lies in a list": (
        {"metrics": [1]},
        [fix("set", field="metrics.a", value=1)],
        "metrics is no object",
    ),
    "a repeated hour needs a decision": (
        {"event_time": "2026-10-25T02:30:00"},
        [fix("assume_zone", zone="Europe/Berlin")],
        r"earlier \(2026-10-25T00:30:00Z\) or later \(2026-10-25T01:30:00Z\)",
    ),
    "a skipped hour needs a decision": (
        {"event_time": "2026-03-29T02:30:00"},
        [fix("assume_zone", zone="Europe/Berlin")],
        r"earlier \(2026-03-29T01:30:00Z\) or later \(2026-03-29T00:30:00Z\)",
    ),
    "without a zone nothing is assumed": (
        {"event_time": "2026-03-29T12:30:00"},
        [fix("assume_zone")],
        "no time zone is set",
    ),
    "a date alone is no moment": ({"event_time": "2026-01-01"}, [fix("assume_utc")], "no date and time"),
}


@pytest.mark.parametrize("case", GIVEN_EXPECT, ids=str)
def test_fixes_make_of_a_message_what_is_expected_and_leave_the_given_one_alone(case: str) -> None:
    given, fixes, expected = GIVEN_EXPECT[case]
    before = repr(given)
    assert apply_fixes(given, FIXES.validate_python(fixes)) == expected
    assert repr(given) == before


@pytest.mark.parametrize("case", GIVEN_REFUSED, ids=str)
def test_a_fix_that_does_not_fit_says_why(case: str) -> None:
    given, fixes, why = GIVEN_REFUSED[case]
    with pytest.raises(FixError, match=why):
        apply_fixes(given, FIXES.validate_python(fixes))


def test_whole_milliseconds_are_an_integer() -> None:
    (scale,) = FIXES.validate_python([fix("scale", field="event_time", factor=1000)])
    assert isinstance(apply_fixes({"event_time": 1.5}, [scale])["event_time"], int)


@pytest.mark.parametrize(
    "wrong", [fix("delete", field="a"), fix("set", field="a"), fix("scale", field="a", factor=float("inf"))]
)
def test_a_fix_nobody_declared_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        FIXES.validate_python([wrong])


def test_a_rename_touches_both_its_ends() -> None:
    (renamed, removed) = FIXES.validate_python([rename("dev", "device_id"), fix("remove", field="a")])
    assert touches(renamed, "device_id")
    assert touches(renamed, "dev")
    assert not touches(removed, "device_id")
