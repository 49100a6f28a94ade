"""`/channels` and `/notifications` on a real PostgreSQL: checked, sealed, tested, looked up, tried again."""

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from api.dependencies import current_time_ms
from catalog.channel_store import ChannelStore
from catalog.migrations import connect
from millrace.clock import now_ms
from millrace.settings import Settings
from tests.integration.alert_services import START_MS, add_tenant, alert_id, at, rows
from tests.integration.notify_services import SIGNING, Outpost, Receiver, running

pytestmark = [pytest.mark.integration, pytest.mark.alerts]
WEBHOOK: dict[str, Any] = {
    "kind": "webhook",
    "about": "The operations desk",
    "settings": {"url": "https://example.com/alerts"},
    "secret": {"signing_secret": SIGNING},
}
MAIL_SETTINGS = {"host": "mail.example.com", "sender": "mill@example.com", "recipients": ["ops@example.com"]}
MAIL: dict[str, Any] = {
    "kind": "email",
    "settings": MAIL_SETTINGS | {"user": "mill"},
    "secret": {"password": "open sesame"},
}
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    with running(tmp_path_factory.mktemp("channels")) as config:
        yield config


class Desk(Outpost):
    """A tenant, and the API in front of it."""

    def __init__(self, config: Settings) -> None:
        super().__init__(config, add_tenant(config, f"channels-{next(_numbers)}"))
        app = create_app(config)
        self.now_ms = START_MS + 3_600_000
        app.dependency_overrides[current_time_ms] = lambda: self.now_ms
        self.client = TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False)

    def __call__(self, method: str, path: str, status: int = 200, **more: Any) -> Any:
        parameters = {"tenant": self.tenant} | more.pop("params", {})
        reply = self.client.request(
            method, path, params=parameters, headers={"X-Millrace-User": "ann"}, **more
        )
        assert reply.status_code == status, reply.text
        for hidden in (SIGNING, "open sesame"):
            assert hidden not in reply.text
        return reply.json() if reply.content else None

    def allow(self, channel: str, allowed: bool = True) -> None:
        """Do what `millrace channels allow` and `forbid` do."""
        with connect(self.config) as connection:
            ChannelStore(connection, self.tenant).set_private(channel, allowed, "operator", at())


@pytest.fixture
def desk(services: Settings) -> Iterator[Desk]:
    found = Desk(services)
    yield found
    found.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver()
    yield found
    found.close()


def test_a_channel_is_made_changed_listed_and_removed(desk: Desk) -> None:
    made = desk("PUT", "/channels/ops", 201, json=WEBHOOK)
    assert made["has_secret"] is True
    assert made["settings"] == {"url": "https://example.com/alerts"}
    assert made["updated_by"] == "ann"
    changed = {name: value for name, value in WEBHOOK.items() if name != "secret"} | {"enabled": False}
    assert desk("PUT", "/channels/ops", json=changed)["enabled"] is False
    assert desk("GET", "/channels/ops")["has_secret"] is True
    assert [one["channel"] for one in desk("GET", "/channels")["channels"]] == ["ops"]
    desk("DELETE", "/channels/ops", 204)
    assert desk("GET", "/channels/ops", 404)["type"].endswith("unknown-channel")
    assert desk("DELETE", "/channels/ops", 404)["type"].endswith("unknown-channel")


def test_who_changed_what_is_in_the_audit_without_the_secret(desk: Desk) -> None:
    desk("PUT", "/channels/ops", 201, json=WEBHOOK)
    desk("PUT", "/channels/ops", json=WEBHOOK | {"secret": {"signing_secret": "whsec_" + "B" * 44}})
    desk("DELETE", "/channels/ops", 204)
    found = rows(desk.config, "SELECT * FROM audit WHERE tenant = %s ORDER BY audit_id", desk.tenant)
    assert [(row["actor"], row["action"], row["subject"]) for row in found] == [
        ("ann", "create", "ops"),
        ("ann", "change", "ops"),
        ("ann", "delete", "ops"),
    ]
    assert [row["detail"].get("secret") for row in found] == [None, "changed", None]
    assert "whsec_" not in str(found)


def test_a_secret_is_encrypted_in_the_database(desk: Desk) -> None:
    desk("PUT", "/channels/ops", 201, json=WEBHOOK)
    [row] = rows(desk.config, "SELECT * FROM channel WHERE tenant = %s", desk.tenant)
    assert SIGNING.encode() not in bytes(row["secret"])
    assert SIGNING not in str(row["settings"])
    opened = desk.seal.open(desk.tenant, "ops", bytes(row["secret"]))
    assert opened == {"signing_secret": SIGNING}


WRONG = [
    ({"kind": "pigeon"}, "kind"),
    (WEBHOOK | {"settings": {}}, "settings"),
    (WEBHOOK | {"settings": {"url": "https://example.com", "typo": 1}}, "settings"),
    (WEBHOOK | {"secret": None}, "secret"),
    (WEBHOOK | {"secret": {"signing_secret": "short"}}, "secret"),
    (MAIL | {"settings": MAIL_SETTINGS}, "secret.password"),
    (MAIL | {"secret": None}, "secret.password"),
]


@pytest.mark.parametrize(("body", "where"), WRONG)
def test_what_is_wrong_with_a_channel_is_said(desk: Desk, body: dict[str, Any], where: str) -> None:
    problem = desk("PUT", "/channels/ops", 422, json=body)
    assert problem["where"] == where
    assert problem["mend"]


def test_a_password_does_not_follow_a_channel_to_another_server(desk: Desk) -> None:
    desk("PUT", "/channels/mail", 201, json=MAIL)
    kept = {"kind": "email", "settings": MAIL["settings"]}
    desk("PUT", "/channels/mail", json=kept)
    assert desk("GET", "/channels/mail")["has_secret"] is True
    thief = {"kind": "email", "settings": MAIL["settings"] | {"host": "mail.evil.example"}}
    problem = desk("PUT", "/channels/mail", 422, json=thief)
    assert "another host" in problem["detail"]
    assert desk("GET", "/channels/mail")["settings"]["host"] == "mail.example.com"
    desk("PUT", "/channels/mail", json=thief | {"secret": {"password": "open sesame"}})
    desk("PUT", "/channels/mail", json={"kind": "email", "settings": MAIL_SETTINGS, "secret": {}})
    assert desk("GET", "/channels/mail")["has_secret"] is False


def test_a_channel_that_rules_tell_cannot_be_removed(desk: Desk) -> None:
    for name in ("ops", "boss", "free"):
        desk("PUT", f"/channels/{name}", 201, json=WEBHOOK)
    desk.tells("ops", escalate={"after_s": 600, "notify": ["boss"]})
    for name in ("ops", "boss"):
        assert "too-hot" in desk("DELETE", f"/channels/{name}", 409)["detail"]
    desk("DELETE", "/channels/free", 204)


def test_a_test_message_goes_out_now_and_says_what_came_of_it(desk: Desk, receiver: Receiver) -> None:
    hook = WEBHOOK | {"settings": {"url": receiver.url("ops")}, "enabled": False}
    desk.channel("ops", hook["settings"], enabled=False, private_allowed=False)
    refused = desk("POST", "/channels/ops/test")
    assert refused["result"] == "refused"
    assert f"millrace channels allow ops --tenant {desk.tenant}" in refused["detail"]
    assert receiver.requests == []
    desk.allow("ops")
    assert desk("POST", "/channels/ops/test")["result"] == "sent"
    receiver.answers["ops"] = [500]
    failed = desk("POST", "/channels/ops/test")
    assert (failed["result"], failed["detail"]) == ("failed", "HTTP 500: status 500")
    assert b"[TEST] This is a test" in receiver.requests[0].body
    desk("POST", "/channels/nobody/test", 404)


PRIVATE = [
    "http://127.0.0.1:9/hook",
    "http://localhost:9/hook",
    "https://10.1.2.3/hook",
    "https://[::1]/hook",
]


@pytest.mark.parametrize("url", PRIVATE)
def test_a_refused_address_names_the_permission_already_when_the_channel_is_written(
    desk: Desk, url: str
) -> None:
    channels = (
        WEBHOOK | {"settings": {"url": url}},
        {"kind": "slack", "secret": {"url": url}},
        MAIL | {"settings": MAIL["settings"] | {"host": "127.0.0.1"}},
    )
    for hook in channels:
        problem = desk("PUT", "/channels/ops", 422, json=hook)
        assert "is not to be reached" in problem["detail"]
        assert f"millrace channels allow ops --tenant {desk.tenant}" in problem["mend"]
    desk.allow("ops")
    for hook in channels:
        desk("PUT", "/channels/ops", 200 if hook is not channels[0] else 201, json=hook)
    assert desk("GET", "/channels/ops")["private_allowed"] is True
    desk.allow("ops", False)
    desk("PUT", "/channels/ops", 422, json=channels[0])


def test_a_permission_is_of_one_channel_of_one_tenant_and_goes_with_it(desk: Desk) -> None:
    hook = WEBHOOK | {"settings": {"url": PRIVATE[0]}}
    desk.allow("ops")
    desk("PUT", "/channels/other", 422, json=hook)
    desk("PUT", "/channels/ops", 422, json=hook, params={"tenant": f"{desk.tenant}-b"})
    desk("PUT", "/channels/ops", 201, json=hook)
    desk("DELETE", "/channels/ops", 204)
    desk("PUT", "/channels/ops", 422, json=hook)
    kept = rows(desk.config, "SELECT action, actor FROM audit WHERE tenant = %s ORDER BY 1", desk.tenant)
    assert {"action": "allow_private", "actor": "operator"} in kept


def test_no_request_can_permit_a_channel_anything(desk: Desk) -> None:
    hook = WEBHOOK | {"settings": {"url": PRIVATE[0]}}
    problem = desk("PUT", "/channels/ops", 422, json=hook | {"private_allowed": True})
    assert "private_allowed" in str(problem)


def test_a_permission_reaches_a_notifier_that_runs(desk: Desk, receiver: Receiver) -> None:
    desk.channel("ops", {"url": receiver.url("ops")}, private_allowed=False)
    desk.tells("ops")
    desk.alert("raised", "a")
    with desk.notifier() as notifier:
        notifier.run()
        [refused] = desk("GET", "/notifications")["notifications"]
        assert refused["state"] == "dead"
        assert f"millrace channels allow ops --tenant {desk.tenant}" in refused["last_error"]
        desk.allow("ops")
        desk("POST", f"/notifications/{refused['notification_id']}/retry")
        notifier.run()
    assert len(receiver.got("ops")) == 1


def test_how_long_a_channel_gathers_is_a_setting_of_it(desk: Desk) -> None:
    made = desk("PUT", "/channels/ops", 201, json=WEBHOOK)
    assert (made["group_wait_s"], made["group_wait_critical_s"]) == (30, 0)
    waits = {"group_wait_s": 5, "group_wait_critical_s": 2}
    changed = desk("PUT", "/channels/ops", json=WEBHOOK | waits)
    assert {name: changed[name] for name in waits} == waits
    for wrong in (-1, 3601, 1.5, "x"):
        desk("PUT", "/channels/ops", 422, json=WEBHOOK | {"group_wait_s": wrong})


def test_an_alert_says_which_message_waits_for_what(desk: Desk, receiver: Receiver) -> None:
    desk.channel("ops", {"url": receiver.url("ops")})
    desk.channel("slow", {"url": receiver.url("slow")}, group_wait_s=120)
    desk.tells("ops", "slow")
    desk.alert("raised", "a", site="hall-4")
    desk.now_ms = START_MS
    path = f"/alerts/{alert_id(f'{desk.tenant}/a')}"
    waiting = {one["channel"]: one for one in desk("GET", path)["notifications"]}
    assert [waiting[name]["waits_for"] for name in ("ops", "slow")] == ["group_wait"] * 2
    assert [waiting[name]["group_wait_s"] for name in ("ops", "slow")] == [30, 120]
    desk.late_s = (START_MS + 60_000 - now_ms()) / 1000
    with desk.notifier() as notifier:
        notifier.run()
    told = {one["channel"]: one for one in desk("GET", path)["notifications"]}
    assert (told["ops"]["state"], told["ops"]["waits_for"]) == ("sent", None)
    assert (told["slow"]["state"], told["slow"]["waits_for"]) == ("pending", "group_wait")


def test_the_kinds_describe_what_they_are_configured_by(desk: Desk) -> None:
    kinds = {kind["kind"]: kind for kind in desk.client.get("/channel-kinds").json()["kinds"]}
    assert sorted(kinds) == ["email", "mqtt", "slack", "webhook"]
    assert kinds["email"]["settings"]["required"] == ["host", "sender", "recipients"]
    assert list(kinds["webhook"]["secret"]["properties"]) == ["signing_secret"]


def test_notifications_are_found_by_state_channel_and_alert(desk: Desk, receiver: Receiver) -> None:
    receiver.answers["bad"] = [400]
    for name in ("good", "bad"):
        desk.channel(name, {"url": receiver.url(name)})
    desk.tells("good", "bad")
    for device in ("a", "b", "c"):
        desk.alert("raised", device)
    with desk.notifier() as notifier:
        notifier.run()
    found = {state: desk("GET", "/notifications", params={"state": state}) for state in ("sent", "dead")}
    assert [one["channel"] for one in found["sent"]["notifications"]] == ["good"] * 3
    assert [one["last_error"] for one in found["dead"]["notifications"]] == ["HTTP 400: status 400"] * 3
    only = {"channel": "good", "alert": alert_id(f"{desk.tenant}/b")}
    [one] = desk("GET", "/notifications", params=only)["notifications"]
    assert one["title"] == "[WARNING] Pump is hot: b"
    health = {one["channel"]: one["health"] for one in desk("GET", "/channels")["channels"]}
    assert (health["good"]["waiting"], health["good"]["dead"]) == (0, 0)
    assert health["good"]["last_sent_at"]


def test_pages_of_notifications_show_each_once(desk: Desk) -> None:
    desk.channel("ops", {"url": "https://example.com"})
    desk.tells("ops")
    for number in range(7):
        desk.alert("raised", f"d{number}")
    seen: list[int] = []
    cursor: dict[str, Any] = {}
    while True:
        page = desk("GET", "/notifications", params={"limit": 3} | cursor)
        seen += [one["notification_id"] for one in page["notifications"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert seen == sorted(set(seen), reverse=True)
    assert len(seen) == 7


def test_a_notification_shows_its_words_and_attempts_and_can_be_tried_once_more(
    desk: Desk, receiver: Receiver
) -> None:
    receiver.answers["ops"] = [400, 200]
    desk.channel("ops", {"url": receiver.url("ops")})
    desk.tells("ops")
    desk.alert("raised", "pump-1")
    with desk.notifier() as notifier:
        notifier.run()
        [number] = desk.notifications("notification_id")
        shown = desk("GET", f"/notifications/{number}")
        assert (shown["state"], shown["next_attempt_at"]) == ("dead", None)
        assert "temperature_c is 96.4, above the limit of 90" in shown["text"]
        assert [(one["attempt"], one["outcome"]) for one in shown["tries"]] == [(1, "refused")]
        assert desk("POST", f"/notifications/{number}/retry")["state"] == "failed"
        notifier.run()
    shown = desk("GET", f"/notifications/{number}")
    assert (shown["state"], len(shown["tries"])) == ("sent", 2)
    assert desk("POST", f"/notifications/{number}/retry", 409)["type"].endswith("not-failed")
    desk("GET", "/notifications/999999999", 404)


def test_tenants_do_not_see_each_other(desk: Desk, services: Settings) -> None:
    desk.channel("ops", {"url": "https://example.com"})
    desk.tells("ops")
    desk.alert("raised", "pump-1")
    [number] = desk.notifications("notification_id")
    other = Desk(services)
    assert other("GET", "/channels")["channels"] == []
    assert other("GET", "/notifications")["notifications"] == []
    other("GET", f"/notifications/{number}", 404)
    other("POST", f"/notifications/{number}/retry", 404)
    with connect(services) as connection:
        assert ChannelStore(connection, desk.tenant).find("ops") is not None


def test_without_postgresql_the_answer_is_that_it_is_away(tmp_path_factory: pytest.TempPathFactory) -> None:
    nowhere = Settings(stack="nowhere", home=tmp_path_factory.mktemp("nowhere"), port_offset=5_000)
    with TestClient(
        create_app(nowhere), base_url="http://127.0.0.1", raise_server_exceptions=False
    ) as client:
        for path in ("/channels", "/channels/ops", "/notifications", "/notifications/1"):
            assert client.get(path).status_code == 503, path
