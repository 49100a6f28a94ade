"""The forms of rules and channels are in the contract, and every example is of its form."""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
import yaml
from fastapi.testclient import TestClient
from jsonschema import Draft202012Validator

from api.app import create_app
from api.notifier.discovery import kinds as channel_kinds
from millrace.errors import MillraceError
from millrace.settings import ROOT, Settings
from udfs.rules.discovery import kinds as rule_kinds
from udfs.rules.model import parse_rule

pytestmark = [pytest.mark.contract, pytest.mark.web]
SOURCE = re.compile(r"[\w/]+\.py\b|pydantic|msgspec|Value error|Correct 0|np\.float64\(")


@cache
def web() -> TestClient:
    return TestClient(create_app(Settings()), base_url="http://127.0.0.1", raise_server_exceptions=False)


def answered(path: str) -> dict[str, Any]:
    answer: dict[str, Any] = web().get(path).json()
    return answer


def in_contract(name: str) -> Draft202012Validator:
    document = answered("/openapi.json")
    return Draft202012Validator(
        {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
    )


def test_every_kind_of_rule_has_a_schema_and_an_example_that_is_a_rule() -> None:
    found = {kind["kind"]: kind for kind in answered("/rule-kinds")["kinds"]}
    assert set(found) == set(rule_kinds())
    for name, kind in found.items():
        Draft202012Validator.check_schema(kind["condition"])
        Draft202012Validator(kind["condition"]).validate(kind["example"]["when"])
        in_contract("Rule").validate(kind["example"])
        assert parse_rule(kind["example"]).kind == name


def test_every_kind_of_channel_has_schemas_and_an_example_that_it_reads() -> None:
    found = {kind["kind"]: kind for kind in answered("/channel-kinds")["kinds"]}
    assert set(found) == set(channel_kinds())
    for name, kind in found.items():
        example = kind["example"]
        Draft202012Validator(kind["settings"]).validate(example["settings"])
        Draft202012Validator(kind["secret"]).validate(example.get("secret", {}))
        in_contract("ChannelRequest").validate(example)
        shape = channel_kinds()[name]
        shape.must_fit(shape.read_settings(example["settings"]), shape.read_secret(example.get("secret", {})))


def shipped() -> Iterator[dict[str, Any]]:
    for path in sorted((ROOT / "rules").glob("*.yaml")):
        # `on` is a word in a rule.
        yield from yaml.load_all(path.read_text(), Loader=yaml.BaseLoader)


def test_the_grammar_in_the_contract_knows_every_key_of_the_shipped_rules() -> None:
    grammar = in_contract("Rule")
    rules = list(shipped())
    assert rules
    for rule in rules:
        unknown = [error for error in grammar.iter_errors(rule) if error.validator == "additionalProperties"]
        assert not unknown, (rule["rule"], unknown)
        assert list(grammar.iter_errors(rule | {"sevrity": "info"}))


WRONG: list[tuple[str, Any, str]] = [
    ("/rules", {"rule": "a", "when": {"kind": "treshold"}}, "did you mean 'threshold'"),
    ("/rules", {"rule": "a", "when": {"kind": "threshold", "metrc": "t"}}, "did you mean 'metric'"),
    ("/rules", {"rule": "a", "wen": {}}, "did you mean 'when'"),
    ("/rules", {"rule": "a", "when": {"kind": "absence", "after_s": 1}, "scope": {"site": ["a"]}}, "'sites'"),
    ("/rules", {"rule": "a"}, "required"),
    ("/rules", [], "dictionary"),
    ("/rules", {}, "required"),
    ("/rules/import", {"a": 1}, "array"),
    ("/rules/import", [3], "object"),
]


@pytest.mark.parametrize(("path", "body", "word"), WRONG)
def test_a_wrong_rule_is_answered_in_words_of_the_rule(path: str, body: Any, word: str) -> None:
    reply = web().post(path, json=body)
    assert reply.status_code == 422
    assert word in reply.text
    assert not SOURCE.search(reply.text), reply.text


BOMB = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{', '.join(9 * [f'*a{n - 1}'])}]\n" for n in range(1, 9))


@pytest.mark.parametrize(
    "text", ['about: "a\\0"', 'about: "\\ud800"', 'notify: ["\\x00"]', "x: &a [*a]", "x: " + "[" * 5000, BOMB]
)
def test_yaml_that_no_store_can_hold_is_refused(text: str) -> None:
    body = f"rule: a\nwhen: {{kind: absence, after_s: 9}}\n{text}\n".encode()
    reply = web().post("/rules/import", content=body, headers={"Content-Type": "application/yaml"})
    assert reply.status_code == 422, reply.text


@pytest.mark.parametrize("name", sorted(channel_kinds()))
def test_a_misspelt_key_of_a_channel_is_answered_with_the_nearest(name: str) -> None:
    kind = channel_kinds()[name]
    for read, shape in ((kind.read_settings, kind.settings), (kind.read_secret, kind.secret)):
        for field in shape.__struct_encode_fields__:
            with pytest.raises(MillraceError, match=f"did you mean '{field}'"):
                read({f"{field}x": "y"})
