"""JSON that a store could not hold is refused with its place; keys and names are found by likeness."""

from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, ValidationError

from millrace.known_keys import in_words, keys_at
from millrace.nearest import did_you_mean, nearest
from millrace.strict_json import UnstorableError, check_storable, parse_json

pytestmark = pytest.mark.web


@pytest.mark.parametrize(
    ("body", "place", "word"),
    [
        (b'{"a": [1, {"b": "x\\u0000y"}]}', "a[1].b", "NUL"),
        (b'{"a\\u0000": 1}', "", "NUL"),
        (b'{"a": {"\\ud800": 1}}', "a", "half a character"),
        (b'{"about": "\\udfff tail"}', "about", "half a character (\\udfff)"),
        (b'["\\ud83d"]', "[0]", "half a character"),
        (b'{"a": NaN}', "", "NaN"),
        (b'{"a": -Infinity}', "", "-Infinity"),
        (b'{"a": 1e999}', "", "beyond"),
        (b'{"a": 18446744073709551616}', "", "64 bits"),
        (b'{"a": -9223372036854775809}', "", "64 bits"),
        (b'{"a": ' + b"9" * 5000 + b"}", "", "64 bits"),
        (b'{"a": 1, "a": 2}', "", "given twice"),
        (b'{"a": "\xe4"}', "", "no UTF-8"),
        (b'{"a": "\xed\xa0\x80"}', "", "no UTF-8"),
        (b'\xef\xbb\xbf{"a": 1}', "", "no JSON"),
        (b'{"a"', "", "no JSON"),
        (b"[" * 100_000, "", "nested too deeply"),
    ],
)
def test_what_no_store_can_hold_is_refused_with_its_place(body: bytes, place: str, word: str) -> None:
    with pytest.raises(UnstorableError) as caught:
        parse_json(body)
    assert (caught.value.place, word in caught.value.what) == (place, True), str(caught.value)


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b'{"a": "\\ud83d\\ude00 \xc3\xa4"}', {"a": "😀 ä"}),
        (b"[18446744073709551615, -9223372036854775808, 1e300, -0.0]", [2**64 - 1, -(2**63), 1e300, -0.0]),
        (b'{"a": {"a": null}}', {"a": {"a": None}}),
    ],
)
def test_all_other_json_passes_as_it_is(body: bytes, value: Any) -> None:
    assert parse_json(body) == value


def test_plain_values_are_judged_as_json_is() -> None:
    check_storable({"a": ["ä", ("b", 1)]})
    around: list[Any] = []
    around.append(around)
    with pytest.raises(UnstorableError, match="nested too deeply"):
        check_storable(around)
    with pytest.raises(UnstorableError, match=r"a\[1\]\[0\]"):
        check_storable({"a": ["ä", ("\x00", 1)]})


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("sate", "state"),
        ("metric", "metrics"),
        ("STATE", "state"),
        ("offline-after-s", "offline_after_s"),
        ("timezone", None),
        ("", None),
    ],
)
def test_the_nearest_name_is_one_that_could_be_meant(name: str, expected: str | None) -> None:
    known = ["state", "metrics", "offline_after_s", "limit", "cursor"]
    assert nearest(name, known) == expected
    assert did_you_mean(name, known) == (f"; did you mean {expected!r}?" if expected else "")


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")
    lower: float | None = None
    upper: float | None = None


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid")
    about: str = ""
    parts: dict[str, list[Inner]] = {}


def test_an_unknown_key_is_answered_with_the_keys_of_its_place() -> None:
    given = {"abuot": "x", "parts": {"a": [{}, {"uper": 1}]}}
    with pytest.raises(ValidationError) as caught:
        Outer.model_validate(given)
    wrong = {
        entry.place: entry for entry in in_words(caught.value.errors(), Outer.model_json_schema(), given)
    }
    assert wrong["abuot"].what == "there is no key 'abuot'; did you mean 'about'?"
    assert wrong["parts.a[1].uper"].what == "there is no key 'uper'; did you mean 'upper'?"
    assert wrong["parts.a[1].uper"].accepted == "one of lower, upper"


def test_of_several_forms_the_one_that_is_meant_names_its_keys() -> None:
    schema = {
        "properties": {
            "when": {
                "anyOf": [{"$ref": "#/$defs/A"}, {"$ref": "#/$defs/B"}],
                "discriminator": {"propertyName": "kind", "mapping": {"a": "#/$defs/A", "b": "#/$defs/B"}},
            }
        },
        "$defs": {"A": {"properties": {"x": {}}}, "B": {"properties": {"y": {}}}},
    }
    assert keys_at(schema, ("when",), {"when": {"kind": "b"}}) == ["y"]
    assert keys_at(schema, ("when",), {"when": {"kind": "?"}}) == ["x", "y"]
    assert keys_at(schema, ("nowhere",), {}) == []
