"""`/alerts` on a real PostgreSQL: found by what people ask for, and handled."""

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from api.dependencies import current_time_ms
from catalog.alert_transitions import Lifecycle
from catalog.migrations import connect
from catalog.outbox import RuleBook
from catalog.rule_store import Change, Entry, RuleStore
from millrace.settings import Settings
from tests.integration.alert_services import START_MS, alert_id, at, rule, running, said

pytestmark = [pytest.mark.integration, pytest.mark.alerts]
NOW_S = 3_600
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    with running(tmp_path_factory.mktemp("alerts"), "postgres") as config:
        yield config


class Desk:
    """A tenant with alerts, and the API in front of them."""

    def __init__(self, config: Settings) -> None:
        self.tenant = f"desk-{next(_numbers)}"
        app = create_app(config)
        app.dependency_overrides[current_time_ms] = lambda: START_MS + 1000 * NOW_S
        self.client = TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False)
        t = self.tenant
        told = [
            said(t, "raised", "a", onset_s=0),
            said(t, "raised", "b", onset_s=10, site="hall-5", severity="critical"),
            said(t, "raised", "c", onset_s=20, site=""),
            said(t, "cleared", "c", 90, onset_s=20, site=""),
            said(t, "raised", "d", onset_s=30, rule="too-loud"),
            said(t, "raised", "e", onset_s=40, shadow=True),
            said(t, "raised", "f", onset_s=50),
            said(t, "withdrawn", "f", 60, onset_s=50),
        ]
        with connect(config) as connection:
            RuleStore(connection, t).import_rules(
                [Entry("too-hot", "enabled", rule(about="Pump is hot"))], Change("ann", at())
            )
            Lifecycle(connection, RuleBook(connection), at(100)).take(told)

    def __call__(self, method: str, path: str, status: int = 200, **more: Any) -> Any:
        parameters = {"tenant": self.tenant} | more.pop("params", {})
        headers = {"X-Millrace-User": "ann"} | more.pop("headers", {})
        with self.client:  # its life span: stores are opened and closed
            reply = self.client.request(method, path, params=parameters, headers=headers, **more)
        assert reply.status_code == status, reply.text
        return reply.json()

    def devices(self, **asked: Any) -> str:
        return "".join(alert["device_id"] for alert in self("GET", "/alerts", params=asked)["alerts"])

    def path(self, device: str, onset_s: float, act: str = "") -> str:
        return f"/alerts/{alert_id(f'{self.tenant}/{device}', onset_s)}{act}"


@pytest.fixture
def desk(registry: Settings) -> Desk:
    return Desk(registry)


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, "dcba"),
        ({"state": "active"}, "dba"),
        ({"state": "cleared"}, "c"),
        ({"state": "withdrawn"}, "f"),
        ({"state": "acknowledged"}, ""),
        ({"severity": "critical"}, "b"),
        ({"rule": "too-loud"}, "d"),
        ({"device": "a"}, "a"),
        ({"site": "hall-5"}, "b"),
        ({"shadow": "only"}, "e"),
        ({"shadow": "include"}, "edcba"),
        ({"from": str(START_MS + 10_000)}, "dcb"),
        ({"to": str(START_MS + 10_000)}, "a"),
        ({"from": "-1h", "to": "now", "state": "open"}, "dba"),
        ({"rule": "' OR 1 = 1 --"}, ""),
    ],
)
def test_alerts_are_found_by_what_is_asked_for(desk: Desk, asked: dict[str, str], found: str) -> None:
    assert desk.devices(**asked) == found


def test_a_walk_shows_every_alert_once(desk: Desk) -> None:
    found: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = desk("GET", "/alerts", params={"limit": 1} | cursor)
        found += [alert["device_id"] for alert in page["alerts"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert found == ["d", "c", "b", "a"]


def test_one_alert_comes_with_its_rule_its_history_and_who_was_told(desk: Desk) -> None:
    alert = desk("GET", desk.path("c", 20))
    assert alert["definition"]["about"] == "Pump is hot"
    assert [(event["kind"], event["actor"]) for event in alert["history"]] == [
        ("raised", "stream"),
        ("cleared", "stream"),
    ]
    assert [(told["reason"], told["channel"], told["state"]) for told in alert["notifications"]] == [
        ("raised", "ops", "pending")
    ]
    assert (alert["onset_ms"], alert["cleared_ms"]) == (START_MS + 20_000, START_MS + 90_000)
    assert alert["evidence"] == {"temperature_c": 91.0, "at": "raised"}


def test_people_take_care_of_an_alert(desk: Desk) -> None:
    path = desk.path("a", 0)
    assert desk("POST", f"{path}/acknowledge")["acknowledged_by"] == "ann"
    assert desk("POST", f"{path}/assign", json={"assignee": "bob"})["assignee"] == "bob"
    assert desk("POST", f"{path}/assign", json={"assignee": None})["assignee"] is None
    snoozed = desk("POST", f"{path}/snooze", json={"for_s": 60})
    assert snoozed["snoozed_until"] == "2026-01-01T01:01:00.000Z"
    assert desk("POST", f"{path}/snooze", json={})["snoozed_until"] is None
    said_there = desk(
        "POST", f"{path}/comments", 201, json={"text": "bearing"}, headers={"X-Millrace-User": "bob"}
    )
    assert (said_there["author"], said_there["text"]) == ("bob", "bearing")
    cleared = desk("POST", f"{path}/clear")
    assert (cleared["state"], cleared["closed_by"], cleared["cleared"]) == ("cleared", "ann", None)
    found = desk("GET", path)
    done = ["acknowledged", "assigned", "assigned", "snoozed", "snoozed", "commented", "cleared"]
    assert {(event["kind"], event["actor"]) for event in found["history"]} == {
        ("raised", "stream"),
        ("commented", "bob"),
        *((kind, "ann") for kind in done if kind != "commented"),
    }
    entries = desk("GET", "/audit", params={"kind": "alert"})["entries"]
    assert [entry["action"] for entry in reversed(entries)] == done


def test_what_is_over_can_no_longer_be_acknowledged_or_snoozed(desk: Desk) -> None:
    problem = desk("POST", desk.path("c", 20, "/acknowledge"), 409)
    assert (problem["type"], "cleared already" in problem["detail"]) == (
        "urn:millrace:problem:alert-over",
        True,
    )
    desk("POST", desk.path("c", 20, "/snooze"), 409, json={"for_s": 5})
    assert desk("POST", desk.path("c", 20, "/clear"))["closed_by"] == "stream"
    desk("POST", desk.path("c", 20, "/comments"), 201, json={"text": "it was the sun"})


@pytest.mark.parametrize(
    ("method", "path", "status", "body"),
    [
        ("GET", "/alerts/" + "0" * 24, 404, None),
        ("POST", f"/alerts/{'0' * 24}/acknowledge", 404, None),
        ("GET", "/alerts/x", 422, None),
        ("GET", "/alerts?cursor=!", 422, None),
        ("GET", "/alerts?cursor=MTp4", 422, None),
        ("GET", "/alerts?state=bad", 422, None),
        ("GET", "/alerts?from=yesterday", 422, None),
        ("GET", "/alerts?rule=%00", 422, None),
        ("POST", f"/alerts/{'0' * 24}/snooze", 422, {"for_s": 1, "until": "2027-01-01"}),
        ("POST", f"/alerts/{'0' * 24}/snooze", 422, {"until": "2020-01-01"}),
        ("POST", f"/alerts/{'0' * 24}/comments", 422, {"text": ""}),
        ("POST", f"/alerts/{'0' * 24}/comments", 422, {"text": "a\x00"}),
        ("POST", f"/alerts/{'0' * 24}/assign", 422, {}),
    ],
)
def test_what_is_not_there_or_not_understood_is_a_problem(
    desk: Desk, method: str, path: str, status: int, body: Any
) -> None:
    reply = desk.client.request(method, path, json=body)
    assert (reply.status_code, reply.headers["content-type"]) == (status, "application/problem+json")


def test_without_postgresql_the_answer_is_a_problem(tmp_path_factory: pytest.TempPathFactory) -> None:
    nowhere = Settings(stack="nowhere", home=tmp_path_factory.mktemp("nowhere"), port_offset=5_000)
    with TestClient(
        create_app(nowhere), base_url="http://127.0.0.1", raise_server_exceptions=False
    ) as client:
        assert [client.get(path).status_code for path in ("/alerts", "/rules", "/audit")] == [503] * 3
