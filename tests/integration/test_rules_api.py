"""`/rules` on a real PostgreSQL: judged by their examples, versioned, never overwritten unseen."""

import itertools
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from fastapi.testclient import TestClient
from typer.testing import CliRunner

import api.asking
from api.app import create_app
from api.commands import app as commands
from api.dependencies import current_time_ms
from millrace.errors import MillraceError
from millrace.settings import ROOT, Settings
from tests.integration.alert_services import START_MS, add_tenant, rows, rule, running

pytestmark = [pytest.mark.integration, pytest.mark.alerts]

HOT: dict[str, Any] = {
    "name": "two minutes of heat",
    "readings": [[0, {"temperature_c": 95}], [120, {"temperature_c": 95}]],
}
FIRES: Any = {"examples": {"fires": [HOT | {"expect": [{"onset_s": 0}]}]}}
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    with running(tmp_path_factory.mktemp("rules"), "postgres") as config:
        yield config


class Api:
    """The API as one tenant's user sees it."""

    def __init__(self, config: Settings) -> None:
        app = create_app(config)
        app.dependency_overrides[current_time_ms] = lambda: START_MS
        self.client = TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False)
        self.tenant = add_tenant(config, f"rules-{next(_numbers)}")

    def __call__(self, method: str, path: str, status: int = 200, **more: Any) -> Any:
        parameters = {"tenant": self.tenant} | more.pop("params", {})
        with self.client:  # its life span: stores are opened and closed
            reply: httpx.Response = self.client.request(method, path, params=parameters, **more)
        assert reply.status_code == status, reply.text
        if status >= 400:
            assert reply.headers["content-type"] == "application/problem+json"
        is_json = reply.content and "json" in reply.headers.get("content-type", "")
        return reply.json() if is_json else reply

    def create(self, name: str = "too-hot", **fields: Any) -> Any:
        return self("POST", "/rules", 201, json=rule(name, **fields), headers={"X-Millrace-User": "ann"})

    def put(self, version: object, status: int = 200, **fields: Any) -> Any:
        headers = {"If-Match": f'"{version}"', "X-Millrace-User": "bob"}
        return self("PUT", "/rules/too-hot", status, json=rule(**fields), headers=headers)


@pytest.fixture
def ask(registry: Settings) -> Api:
    return Api(registry)


def test_a_rule_comes_back_as_it_was_written(ask: Api) -> None:
    made = ask.create(about="Pump is hot", severity="critical", **FIRES)
    assert (made["version"], made["state"], made["kind"]) == (1, "enabled", "threshold")
    assert (made["updated_by"], made["updated_at_ms"]) == ("ann", START_MS)
    assert made["definition"] == rule(about="Pump is hot", severity="critical", **FIRES)
    assert ask("GET", "/rules/too-hot") == made
    assert ask("GET", "/rules")["rules"] == [made]
    reply = ask.client.get("/rules/too-hot", params={"tenant": ask.tenant})
    assert reply.headers["etag"] == '"1"'


def test_a_change_is_a_new_version_and_the_same_again_is_none(ask: Api) -> None:
    ask.create()
    assert ask.put(1, severity="critical")["version"] == 2
    assert ask.put(2, severity="critical")["version"] == 2
    versions = ask("GET", "/rules/too-hot/versions")["versions"]
    assert [(v["version"], v["made_by"], v["definition"].get("severity")) for v in versions] == [
        (2, "bob", "critical"),
        (1, "ann", None),
    ]


def test_what_another_changed_in_between_is_not_overwritten(ask: Api) -> None:
    ask.create()
    ask.put(1, severity="critical")
    problem = ask.put(1, 412, severity="info")
    assert (problem["type"], "by bob" in problem["detail"]) == ("urn:millrace:problem:other-version", True)
    assert ask("PUT", "/rules/too-hot", 428, json=rule())["where"] == "If-Match"
    assert ask.put("x", 422)["where"] == "If-Match"
    assert ask("GET", "/rules/too-hot")["severity"] == "critical"
    anyway = ask("PUT", "/rules/too-hot", json=rule(severity="info"), headers={"If-Match": "*"})
    assert anyway["version"] == 3


def test_of_many_changes_to_one_version_one_is_made(ask: Api) -> None:
    ask.create()

    def change(number: int) -> int:
        headers = {"If-Match": '"1"'}
        body = rule(about=f"by {number}")
        reply: httpx.Response = ask.client.put(
            "/rules/too-hot", params={"tenant": ask.tenant}, json=body, headers=headers
        )
        return reply.status_code

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(change, range(8))) == [200] + [412] * 7
    assert ask("GET", "/rules/too-hot")["version"] == 2


def test_a_rule_whose_example_fails_is_refused_by_the_examples_name(ask: Api) -> None:
    silent: Any = {"examples": {"silent": [HOT]}}
    problem = ask("POST", "/rules", 422, json=rule(**silent))
    assert problem["type"] == "urn:millrace:problem:example-failed"
    assert [wrong["parameter"] for wrong in problem["errors"]] == ["too-hot.examples.two minutes of heat"]
    assert "onset at 0 s" in problem["errors"][0]["what"]
    ask("GET", "/rules/too-hot", 404)
    ask.create(**FIRES)
    assert ask.put(1, 422, **silent)["type"] == "urn:millrace:problem:example-failed"
    assert ask("GET", "/rules/too-hot")["version"] == 1


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"severty": "info"}, "severty"),
        ({"severity": "deadly"}, "deadly"),
        ({"when": {"kind": "magic"}}, "magic"),
        ({"when": {"kind": "threshold", "metric": "a"}}, "raise"),
        ({"rule": "Too Hot"}, "rule"),
        ({"rule": "import"}, "import"),
        ({"about": "a\x00b"}, "NUL"),
    ],
)
def test_a_wrong_rule_is_refused_with_what_is_wrong(ask: Api, wrong: dict[str, Any], said: str) -> None:
    problem = ask("POST", "/rules", 422, json=rule() | wrong)
    assert said in problem["detail"]
    assert problem["mend"]
    assert ask("GET", "/rules")["rules"] == []


def test_names_are_taken_once_and_must_be_the_ones_of_the_path(ask: Api) -> None:
    ask.create()
    assert ask("POST", "/rules", 409, json=rule())["type"] == "urn:millrace:problem:rule-exists"
    ask("PUT", "/rules/too-hot", 422, json=rule("other"), headers={"If-Match": "1"})
    ask("PUT", "/rules/other", 404, json=rule("other"), headers={"If-Match": "1"})
    ask("GET", "/rules/NO", 422)


def test_a_deleted_rule_is_gone_its_versions_are_not_and_they_count_on(ask: Api) -> None:
    ask.create()
    ask("DELETE", "/rules/too-hot", 412, headers={"If-Match": "7"})
    ask("DELETE", "/rules/too-hot", 204, headers={"If-Match": "1"})
    ask("GET", "/rules/too-hot", 404)
    ask("DELETE", "/rules/too-hot", 404, headers={"If-Match": "*"})
    assert ask.create()["version"] == 3
    states = [v["state"] for v in ask("GET", "/rules/too-hot/versions")["versions"]]
    assert states == ["enabled", "deleted", "enabled"]


def test_an_export_imports_as_the_same(ask: Api) -> None:
    ask.create("a", **FIRES)
    ask.create(
        "b",
        state="shadow",
        schedule={"timezone": "Europe/Berlin", "days": ["mon"], "from": "08:00", "to": "18:00"},
    )
    text = ask("GET", "/rules/export").text
    assert [doc["rule"] for doc in yaml.safe_load_all(text)] == ["a", "b"]
    again = ask("POST", "/rules/import", content=text, headers={"content-type": "application/yaml"})
    assert (again["created"], again["changed"], again["unchanged"]) == ([], [], ["a", "b"])


def test_an_import_is_all_or_nothing_and_a_dry_run_changes_nothing(ask: Api) -> None:
    ask.create("a")
    wanted = [rule("a", severity="info"), rule("b")]
    dry = ask("POST", "/rules/import", json=wanted, params={"dry_run": True})
    assert (dry["created"], dry["changed"], len(ask("GET", "/rules")["rules"])) == (["b"], ["a"], 1)
    bad = ask("POST", "/rules/import", 422, json=[*wanted, rule("c", examples={"silent": [HOT]})])
    assert bad["errors"][0]["parameter"] == "c.examples.two minutes of heat"
    assert [r["severity"] for r in ask("GET", "/rules")["rules"]] == ["warning"]
    assert ask("POST", "/rules/import", json=wanted)["created"] == ["b"]
    ask("POST", "/rules/import", 422, json=[rule("a"), rule("a")])
    ask("POST", "/rules/import", 422, content=b"\xff", headers={"content-type": "application/yaml"})
    ask("POST", "/rules/import", 422, content=b"{", headers={"content-type": "application/json"})


def test_rules_are_listed_page_by_page_and_by_state(ask: Api) -> None:
    ask(
        "POST",
        "/rules/import",
        json=[rule(f"r{n}", state="shadow" if n % 2 else "enabled") for n in range(5)],
    )
    names: list[str] = []
    cursor = ""
    for _ in range(3):
        page = ask("GET", "/rules", params={"limit": 2, "cursor": cursor})
        names += [one["rule"] for one in page["rules"]]
        cursor = page["next_cursor"] or ""
    assert (names, cursor) == ([f"r{n}" for n in range(5)], "")
    assert [one["rule"] for one in ask("GET", "/rules", params={"state": "shadow"})["rules"]] == ["r1", "r3"]


def test_a_channel_that_is_not_there_is_warned_of(ask: Api, registry: Settings) -> None:
    assert "no channel 'ops'" in ask.create()["warnings"][0]
    rows(
        registry,
        "INSERT INTO channel (tenant, channel, kind, updated_at, updated_by) "
        "VALUES (%s, 'ops', 'webhook', now(), 'x')",
        ask.tenant,
    )
    assert ask("GET", "/rules/too-hot")["warnings"] == []


def test_who_changed_what_is_in_the_audit(ask: Api) -> None:
    ask.create()
    ask.put(1, state="shadow")
    ask("DELETE", "/rules/too-hot", 204, headers={"If-Match": "*"})
    entries = ask("GET", "/audit", params={"kind": "rule", "subject": "too-hot"})["entries"]
    assert [(e["actor"], e["action"], e["detail"]["state"]) for e in entries] == [
        ("anonymous", "delete", "deleted"),
        ("bob", "change", "shadow"),
        ("ann", "create", "enabled"),
    ]
    page = ask("GET", "/audit", params={"limit": 2})
    rest = ask("GET", "/audit", params={"limit": 2, "cursor": page["next_cursor"]})
    assert ([e["actor"] for e in rest["entries"]], rest["next_cursor"]) == (["ann"], None)
    assert len(ask("GET", "/audit", params={"actor": "bob"})["entries"]) == 1


def test_two_hundred_rules_change_five_times_a_second(ask: Api) -> None:
    for turn in range(5):
        changed = [rule(f"r{n}", about=f"turn {turn}", **FIRES) for n in range(200)]
        found = ask("POST", "/rules/import", json=changed)
        assert len(found["changed" if turn else "created"]) == 200
    assert {one["version"] for one in ask("GET", "/rules", params={"limit": 1000})["rules"]} == {5}


@pytest.fixture
def run(ask: Api, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a runner of commands, which ask the API in this process."""

    def request(method: str, address: str, *, timeout: float, trust_env: bool, **more: Any) -> httpx.Response:
        more["params"] = {"tenant": ask.tenant} | more["params"]
        with ask.client:
            reply: httpx.Response = ask.client.request(method, address[address.index("/", 8) :], **more)
        return reply

    monkeypatch.setattr(httpx, "request", request)
    monkeypatch.setattr(api.asking, "user_name", lambda: "carl")

    def call(*words: str, code: int = 0) -> str:
        result = CliRunner().invoke(commands, words)
        assert result.exit_code == code, (result.output, result.exception)
        return result.output

    return call


def test_the_command_line_imports_shows_switches_and_exports(ask: Api, run: Any, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump_all([rule("a", about="First"), rule("b")]))
    assert "would be created: a, b" in run("rules", "import", str(file), "--dry-run")
    assert "created: a, b" in run("rules", "import", str(tmp_path))
    assert "First" in run("rules", "list")
    assert "v2" in run("rules", "shadow", "a")
    assert "by carl" in run("rules", "show", "a")
    assert run("rules", "show", "a", "--versions").count("carl") == 2
    assert [one["rule"] for one in json.loads(run("rules", "list", "--state", "shadow", "--json"))] == ["a"]
    run("rules", "disable", "a")
    run("rules", "enable", "a", "b")
    run("rules", "export", str(tmp_path / "out.yaml"))
    assert [doc["rule"] for doc in yaml.safe_load_all((tmp_path / "out.yaml").read_text())] == ["a", "b"]
    with pytest.raises(MillraceError, match="has no rule"):
        CliRunner().invoke(commands, ["rules", "show", "zzz"], catch_exceptions=False)
    assert "rule b is deleted" in run("rules", "delete", "b")
    assert [one["rule"] for one in json.loads(run("rules", "list", "--json"))] == ["a"]


def test_an_unknown_rule_is_answered_with_the_nearest(ask: Api, run: Any, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump(rule("pump-too-hot")))
    run("rules", "import", str(file))
    with pytest.raises(MillraceError) as error:
        CliRunner().invoke(commands, ["rules", "delete", "pump-to-hot"], catch_exceptions=False)
    assert "Did you mean pump-too-hot?" in error.value.mend


def test_the_command_line_executes_examples_without_a_stack(run: Any, tmp_path: Path) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text(yaml.safe_dump(rule(examples={"silent": [HOT]})))
    assert "too-hot: two minutes of heat" in run("rules", "test", str(file), code=1)
    assert "0 rules fail" in run("rules", "test", str(ROOT / "rules"))


def test_every_shipped_rule_can_be_imported(ask: Api, run: Any) -> None:
    run("rules", "import", str(ROOT / "rules"))
    assert run("rules", "import", str(ROOT / "rules")).startswith("unchanged: ")
