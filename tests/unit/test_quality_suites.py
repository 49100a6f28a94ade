"""Suites are files that say what they mean, and the pages they make need nothing from elsewhere."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from api.problems import WrongParameterError
from api.queries.quality import known_table, require_day
from catalog.ddl import read_table
from catalog.quality.commands import day_ms
from catalog.quality.pages import at_home
from catalog.quality.suite import FOLDER, read_suite, suites, suites_of
from catalog.quality.terms import Limits, limits_of
from catalog.registry_entries import ProfileSettings
from ingest.gateway.reasons import Reason
from jobs.quality.telling import device_of, rule_of
from millrace.contracts import SCHEMAS
from millrace.errors import MillraceError
from millrace.settings import ROOT
from udfs.rules.yaml_form import read_rules

pytestmark = pytest.mark.lakehouse


def test_every_suite_reads_columns_that_its_table_has() -> None:
    for suite in suites().values():
        definition = read_table(SCHEMAS / "tables" / f"{suite.table}.sql")
        present = {field.name for field in definition.schema.fields}
        assert {*suite.columns, suite.day, *filter(None, [suite.fresh])} <= present, suite.name


def test_every_view_of_a_file_is_looked_at() -> None:
    assert {name: set(suite.statements) - set(suite.views) for name, suite in suites().items()} == {
        name: set() for name in suites()
    }


def test_the_known_reasons_are_those_of_the_gateway() -> None:
    (check,) = [one for one in suites()["dead_letters"].checks if one.check == "reason_known"]
    assert set(check.arguments["value_set"]) == {str(reason) for reason in Reason}


def test_every_suite_has_a_rule_that_says_who_is_told() -> None:
    rules = read_rules((ROOT / "rules" / "data-quality.yaml").read_text())
    assert {(one.rule, one.scope.devices, one.severity) for one in rules} == {
        (rule_of(suite), (device_of(suite),), suite.severity) for suite in suites().values()
    }


def written(**changed: Any) -> dict[str, Any]:
    good: dict[str, Any] = yaml.safe_load((FOLDER / "sessions.yaml").read_text())
    return good | changed


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"views": {"elsewhere": []}}, "do not name the same views"),
        ({"colour": "red"}, "colour"),
        ({"severity": "fatal"}, "severity"),
        ({"checks": []}, "checks"),
        ({"checks": written()["checks"] + written()["checks"][:1]}, "two checks have one name"),
        ({"table": "rollups_1m"}, "has no view sessions"),
    ],
)
def test_a_wrong_suite_is_refused_with_what_is_wrong(
    tmp_path: Path, changed: dict[str, Any], says: str
) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_text(yaml.safe_dump(written(**changed)))
    with pytest.raises(MillraceError, match=says) as caught:
        read_suite(file)
    assert caught.value.where == str(file)


def test_a_table_without_a_suite_is_named_with_those_that_have_one() -> None:
    with pytest.raises(MillraceError, match=r"'weather' has no suite.*readings"):
        suites_of("weather")


@pytest.mark.parametrize("text", ["yesterday", "2026-01-31T12:00:00Z", "1969-12-31"])
def test_what_is_no_day_is_refused(text: str) -> None:
    with pytest.raises(MillraceError, match="is no day"):
        day_ms(text)


def test_a_day_begins_at_midnight_utc() -> None:
    assert day_ms("2026-01-01") == 1_767_225_600_000


def test_ranges_are_what_a_profile_says_in_numbers() -> None:
    metrics = {"a": {"unit": "°C", "min": -40, "max": 85}, "b": {"max": 1.5}, "c": {"unit": "V"}, "d": "text"}
    assert limits_of(metrics) == {"a": Limits(-40.0, 85.0), "b": Limits(None, 1.5)}


@pytest.mark.parametrize("limits", [{"min": 2, "max": 1}, {"min": "cold"}, {"max": True}, {"mim": 1}])
def test_a_profile_with_limits_that_cannot_hold_is_refused(limits: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="temperature_c"):
        ProfileSettings.model_validate({"metrics": {"temperature_c": limits}})


def test_a_page_asks_no_other_host_for_anything() -> None:
    page = (
        '<head><script src="https://a.example/x.js"></script><link rel="icon" href="//b.example/y.css"/>'
        '</head><img src="https://c.example/z.png"><a href="https://d.example">d</a><a href="#ours">o</a>'
    )
    own = at_home(page)
    assert ".example" not in own
    assert '<a href="#ours">' in own
    assert "<style>" in own


def test_the_api_knows_tables_of_suites_with_and_without_namespace_and_days_that_exist() -> None:
    assert (known_table("iot.readings"), known_table("readings")) == ("readings", "readings")
    with pytest.raises(WrongParameterError, match="did you mean 'readings'"):
        known_table("iot.redings")
    with pytest.raises(WrongParameterError, match="no day 2026-02-30"):
        require_day("2026-02-30")
