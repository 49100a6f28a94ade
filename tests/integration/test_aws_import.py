"""AWS IoT Events models through the front door, on a real PostgreSQL: rules, and a report of the rest."""

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from api.app import create_app
from api.commands import app as commands
from millrace.errors import MillraceError
from millrace.settings import ROOT, Settings
from tests.integration.alert_services import add_tenant, rule, running

pytestmark = [pytest.mark.integration, pytest.mark.alerts]

MODELS = ROOT / "tests" / "unit" / "iot_events"
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    with running(tmp_path_factory.mktemp("aws"), "postgres") as config:
        yield config


class Door:
    """The API as one tenant's user sees it."""

    def __init__(self, config: Settings) -> None:
        self.client = TestClient(
            create_app(config), base_url="http://127.0.0.1", raise_server_exceptions=False
        )
        self.tenant = add_tenant(config, f"aws-{next(_numbers)}")

    def __call__(self, method: str, path: str, status: int = 200, **more: Any) -> Any:
        parameters = {"tenant": self.tenant} | more.pop("params", {})
        with self.client:  # its life span: stores are opened and closed
            reply = self.client.request(method, path, params=parameters, **more)
        assert reply.status_code == status, reply.text
        return reply.json()

    def bring(self, name: str, **asked: Any) -> Any:
        return self("POST", "/rules/import-aws", json=model(name), params=asked)

    def states(self) -> dict[str, str]:
        return {one["rule"]: one["state"] for one in self("GET", "/rules")["rules"]}


def model(name: str) -> Any:
    return json.loads((MODELS / f"{name}.json").read_text())


@pytest.fixture
def door(services: Settings) -> Door:
    return Door(services)


@pytest.mark.parametrize("path", sorted(MODELS.glob("*.json")), ids=lambda path: path.stem)
def test_every_example_becomes_a_rule_that_only_watches_and_a_report(door: Door, path: Path) -> None:
    found = door.bring(path.stem)
    assert [one["outcome"] for one in found["rules"]] == ["created"]
    assert door.states() == {found["rules"][0]["rule"]: "shadow"}
    assert {note["kind"] for note in found["notes"]} <= {"differs", "left out"}
    assert found["notes"]
    assert (found["state"], found["dry_run"], found["warnings"]) == ("shadow", False, [])


def test_the_rule_is_said_in_words(door: Door) -> None:
    [one] = door.bring("freezer")["rules"]
    assert one["says"] == "temperature > -15, for 10 min, clears at -18, critical beyond -5"
    assert door.bring("heartbeat")["rules"][0]["says"] == "Nothing came for 300 s"


def test_a_dry_run_leaves_nothing_behind(door: Door) -> None:
    found = door.bring("freezer", dry_run=True)
    assert (found["dry_run"], found["rules"][0]["outcome"], door.states()) == (True, "created", {})


def test_rules_are_in_force_only_when_that_is_asked_and_metrics_take_their_names(door: Door) -> None:
    found = door.bring("alarm", enable=True, metric="battery-level=battery_pct")
    [one] = found["rules"]
    assert (found["state"], door.states()) == ("enabled", {one["rule"]: "enabled"})
    assert one["definition"]["when"]["metric"] == "battery_pct"


def test_a_second_import_changes_nothing_and_never_what_somebody_made_of_a_rule(door: Door) -> None:
    [name] = [one["rule"] for one in door.bring("freezer")["rules"]]
    assert door.bring("freezer")["rules"][0]["outcome"] == "unchanged"
    door("PUT", f"/rules/{name}", json=rule(name), headers={"If-Match": "*"})
    found = door.bring("freezer")
    assert (found["rules"][0]["outcome"], door.states()) == ("kept", {name: "enabled"})
    assert found["warnings"] == [f"there is another rule {name!r} already, which stays as it is"]
    assert door("GET", f"/rules/{name}")["definition"] == rule(name)


@pytest.mark.parametrize(
    ("body", "asked"),
    [
        ([], {}),
        ({}, {}),
        ({"detectorModelDefinition": {"states": [{}]}}, {}),
        ({"detectorModelDefinition": []}, {}),
        ({"alarmRule": None}, {}),
        ({"alarmRule": {"simpleRule": {"comparisonOperator": "GREATER"}}}, {}),
        ({"detectorModelName": 5, "detectorModelDefinition": {"states": "x"}}, {}),
        ({"properties": 5}, {}),
        ({"detectorModelConfiguration": 5, "detectorModelDefinition": 5}, {}),
        (model("alarm"), {"metric": "battery-level"}),
        (model("alarm"), {"metric": "=x"}),
    ],
)
def test_what_is_no_model_is_a_problem(door: Door, body: Any, asked: Any) -> None:
    problem = door("POST", "/rules/import-aws", 422, json=body, params=asked)
    assert problem["type"].startswith("urn:millrace:problem:wrong")
    assert door.states() == {}


def test_no_rule_takes_the_name_of_the_path(door: Door) -> None:
    door("POST", "/rules", 422, json=rule("import-aws"))


@pytest.fixture
def run(door: Door, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a runner of commands, which ask the API in this process."""

    def request(method: str, address: str, *, timeout: float, trust_env: bool, **more: Any) -> httpx.Response:
        more["params"] = {"tenant": door.tenant} | more["params"]
        with door.client:
            reply: httpx.Response = door.client.request(method, address[address.index("/", 8) :], **more)
        return reply

    monkeypatch.setattr(httpx, "request", request)

    def call(*words: str) -> str:
        result = CliRunner().invoke(commands, ["rules", "import-aws", *words])
        assert result.exit_code == 0, (result.output, result.exception)
        return result.output

    return call


def test_the_command_line_prints_a_report_to_read(door: Door, run: Any) -> None:
    file = str(MODELS / "freezer.json")
    would = run(file, "--dry-run")
    assert "The model would become 1 rule:" in would
    assert door.states() == {}
    said = run(file)
    for line in (
        "The model became 1 rule:",
        "temperature > -15, for 10 min, clears at -18, critical beyond -5",
        "shadow, created",
        "Works in another way than the model:",
        "Could not be translated:",
        "state Cold, transition doorAndWarm",
    ):
        assert line in said
    assert "there already" in run(file)
    assert json.loads(run(file, "--json"))["tenant"] == door.tenant


def test_a_file_that_is_no_json_is_named(tmp_path: Path) -> None:
    file = tmp_path / "x.json"
    file.write_text("{")
    with pytest.raises(MillraceError, match="no JSON"):
        CliRunner().invoke(commands, ["rules", "import-aws", str(file)], catch_exceptions=False)
