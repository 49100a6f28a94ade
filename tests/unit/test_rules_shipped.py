"""The rules that come with the project do what their examples say, and survive being written and read."""

from pathlib import Path

import pytest

from millrace.settings import ROOT
from udfs.rules.discovery import kinds
from udfs.rules.examples import run_examples
from udfs.rules.model import Rule, parse_rule, rule_data
from udfs.rules.yaml_form import read_rules, write_rules

pytestmark = pytest.mark.alerts

FILES = sorted((ROOT / "rules").glob("*.yaml"))


def shipped() -> list[Rule]:
    return [rule for path in FILES for rule in read_rules(path.read_text(), path.name)]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_rule_of_a_file_has_examples_and_does_what_they_say(path: Path) -> None:
    rules = read_rules(path.read_text(), path.name)
    assert rules
    for rule in rules:
        assert rule.about
        assert rule.examples.fires, rule.rule
        assert rule.examples.silent, rule.rule
        assert run_examples(rule) == [], rule.rule


def test_shipped_rules_show_every_kind_and_no_name_twice() -> None:
    rules = shipped()
    assert {rule.kind for rule in rules} == set(kinds())
    assert len({rule.rule for rule in rules}) == len(rules)


def test_a_rule_written_as_yaml_and_as_plain_values_reads_back_the_same() -> None:
    rules = shipped()
    assert read_rules(write_rules(rules)) == rules
    assert [parse_rule(rule_data(rule)) for rule in rules] == rules
