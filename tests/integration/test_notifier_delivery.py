"""The notifier on a real PostgreSQL and real HTTP: each message once, in order, channels apart."""

import itertools
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from catalog.channel_store import ChannelStore
from catalog.migrations import connect
from millrace.clock import now_ms
from millrace.settings import Settings
from tests.integration.alert_services import alert_id
from tests.integration.notify_services import SIGNING, Outpost, Receiver, running
from tests.integration.own_services import until
from udfs.notify.circuit import TOLERATED
from udfs.notify.signing import is_genuine

pytestmark = [pytest.mark.integration, pytest.mark.alerts]
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    with running(tmp_path_factory.mktemp("notices")) as config:
        yield config


@pytest.fixture
def post(services: Settings) -> Iterator[Outpost]:
    found = Outpost(services, f"tenant-{next(_numbers)}")
    yield found
    found.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver()
    yield found
    found.close()


def test_an_alert_arrives_signed_and_says_what_where_and_since_when(
    post: Outpost, receiver: Receiver
) -> None:
    post.channel("ops", {"url": receiver.url("ops")})
    post.tells("ops")
    post.alert("raised", "pump-1")
    with post.notifier() as notifier:
        notifier.run()
    [request] = receiver.got("ops")
    assert is_genuine(SIGNING, request.headers, request.body, now_ms() // 1000)
    body: dict[str, Any] = msgspec.json.decode(request.body)
    assert body["type"] == "alert.raised"
    assert body["title"] == "[WARNING] Pump is hot: pump-1"
    assert "temperature_c is 96.4, above the limit of 90, for at least 1 min" in body["text"]
    assert "since 2026-01-01 00:00:00 UTC" in body["text"]
    name = alert_id(f"{post.tenant}/pump-1")
    assert body["links"][0]["alert"] == f"https://plant.example/alerts/{name}?tenant={post.tenant}"
    assert body["data"]["alerts"][0]["alert_id"] == name
    assert post.notifications("state", "attempts", "last_error") == [("sent", 1, None)]
    assert post.attempts() == [(1, "sent")]


def test_what_was_sent_is_not_sent_again_whatever_the_stream_repeats(
    post: Outpost, receiver: Receiver
) -> None:
    post.channel("ops", {"url": receiver.url("ops")})
    post.tells("ops")
    with post.notifier() as notifier:
        for _ in range(3):
            post.alert("raised", "pump-1")
            notifier.run()
    with post.notifier() as another:
        another.run()
    assert len(receiver.got("ops")) == 1


def test_a_failure_is_tried_again_later_under_the_same_id(post: Outpost, receiver: Receiver) -> None:
    receiver.answers["ops"] = [500, 503, 200]
    post.channel("ops", {"url": receiver.url("ops")})
    post.tells("ops")
    post.alert("raised", "pump-1")
    with post.notifier() as notifier:
        for wait_s, requests in ((0, 1), (2, 1), (5, 2), (7, 2), (15, 3), (3600, 3)):
            post.late_s = wait_s
            notifier.run()
            assert len(receiver.got("ops")) == requests, wait_s
    assert len({request.message_id for request in receiver.got("ops")}) == 1
    assert post.notifications("state", "attempts", "last_error") == [("sent", 3, None)]
    assert post.attempts() == [(1, "failed"), (2, "failed"), (3, "sent")]


def test_what_never_arrives_is_given_up_after_twelve_attempts_and_may_be_tried_by_hand(
    post: Outpost, receiver: Receiver
) -> None:
    receiver.answers["ops"] = [500]
    post.channel("ops", {"url": receiver.url("ops")})
    post.tells("ops")
    post.alert("raised", "pump-1")
    with post.notifier() as notifier:
        for hour in range(20):
            post.late_s = 3600 * hour
            notifier.run()
    assert len(receiver.got("ops")) == 12
    assert post.notifications("state", "attempts", "last_error") == [("dead", 12, "HTTP 500: status 500")]


def test_a_message_the_receiver_does_not_want_is_given_up_at_once(post: Outpost, receiver: Receiver) -> None:
    receiver.answers["ops"] = [400]
    post.channel("ops", {"url": receiver.url("ops")})
    post.tells("ops")
    post.alert("raised", "pump-1")
    with post.notifier() as notifier:
        notifier.run()
    assert post.notifications("state", "attempts") == [("dead", 1)]
    assert post.attempts() == [(1, "refused")]


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:{port}/x", "https://localhost:{port}/x", "https://[::1]:{port}/x"]
)
def test_a_tenant_cannot_make_the_notifier_speak_to_its_own_machine(
    post: Outpost, receiver: Receiver, url: str
) -> None:
    post.channel("ops", {"url": url.format(port=receiver.port)}, private_allowed=False)
    post.tells("ops")
    post.alert("raised", "pump-1")
    with post.notifier() as notifier:
        notifier.run()
    assert receiver.requests == []
    assert post.notifications("state", "attempts") == [("dead", 1)]


def test_a_redirect_is_not_followed(post: Outpost, receiver: Receiver) -> None:
    receiver.answers["ops"] = [307]
    receiver.headers["Location"] = receiver.url("inside")
    post.channel("ops", {"url": receiver.url("ops")})
    post.tells("ops")
    post.alert("raised", "pump-1")
    with post.notifier() as notifier:
        notifier.run()
    assert [request.path for request in receiver.requests] == ["/ops"]
    assert post.notifications("state") == ["dead"]


def test_a_channel_that_hangs_holds_up_no_other(post: Outpost, receiver: Receiver) -> None:
    receiver.answers["slow"] = [0]
    for name in ("slow", "quick"):
        post.channel(name, {"url": receiver.url(name)})
    post.tells("slow", "quick")
    for number in range(30):
        post.alert("raised", f"pump-{number}")
    with post.notifier() as notifier:
        began_s = time.monotonic()
        while len(receiver.got("quick")) < 30:
            notifier.begin()
            notifier.collect(0.05)
            assert time.monotonic() - began_s < 15
        assert len(receiver.got("slow")) == 4
        receiver.released.set()
        until(notifier.is_settled)
    assert Counter(post.notifications("channel", "state")) == {
        ("quick", "sent"): 30,
        ("slow", "failed"): 4,
        ("slow", "pending"): 26,
    }


def test_a_channel_that_fails_is_left_alone_for_a_while_and_then_asked_once(
    post: Outpost, receiver: Receiver
) -> None:
    receiver.answers["ops"] = [500]
    post.channel("ops", {"url": receiver.url("ops")})
    post.tells("ops")
    for number in range(20):
        post.alert("raised", f"pump-{number}")
    with post.notifier() as notifier:
        notifier.run()
        tried = len(receiver.got("ops"))
        assert TOLERATED <= tried < TOLERATED + 4
        post.late_s = 20
        notifier.run()
        assert len(receiver.got("ops")) == tried
        receiver.answers["ops"] = [200]
        post.late_s = 700
        assert notifier.begin() == 1
        notifier.run()
    assert set(post.notifications("state")) == {"sent"}
    assert len(receiver.got("ops")) == tried + 20


def test_several_notifiers_deliver_each_message_once(post: Outpost, receiver: Receiver) -> None:
    post.channel("ops", {"url": receiver.url("ops")})
    post.tells("ops")
    for number in range(40):
        post.alert("raised", f"pump-{number}")
    with post.notifier() as one, post.notifier() as two:
        shares = [0, 0]
        while len(receiver.got("ops")) < 40:
            for place, notifier in enumerate((one, two)):
                shares[place] += notifier.begin()
                notifier.collect(0.05)
        for notifier in (one, two):
            notifier.run()
    assert min(shares) > 0
    assert set(Counter(request.message_id for request in receiver.got("ops")).values()) == {1}
    assert len(post.attempts()) == 40


def test_of_one_alert_nobody_hears_the_end_before_the_beginning(post: Outpost, receiver: Receiver) -> None:
    receiver.answers["ops"] = [500, 200]
    post.channel("ops", {"url": receiver.url("ops")})
    post.tells("ops")
    post.alert("raised", "pump-1")
    with post.notifier() as notifier:
        notifier.run()
        post.alert("cleared", "pump-1", 120)
        post.alert("raised", "pump-2")
        notifier.run()
        said = [(msgspec.json.decode(request.body)) for request in receiver.got("ops")]
        assert [(one["type"], one["data"]["alerts"][0]["device_id"]) for one in said] == [
            ("alert.raised", "pump-1"),
            ("alert.raised", "pump-2"),
        ]
        post.late_s = 6
        notifier.run()
    types = [msgspec.json.decode(request.body)["type"] for request in receiver.got("ops")]
    assert types == ["alert.raised", "alert.raised", "alert.raised", "alert.cleared"]


def test_alerts_of_one_rule_and_site_within_30_s_are_one_message(post: Outpost, receiver: Receiver) -> None:
    post.channel("ops", {"url": receiver.url("ops")})
    post.tells("ops")
    for number in range(25):
        post.alert("raised", f"pump-{number}", site="hall-4")
    with post.notifier() as notifier:
        notifier.run()
    [request] = receiver.got("ops")
    body = msgspec.json.decode(request.body)
    assert body["title"] == "[WARNING] Pump is hot: 25 alerts at hall-4"
    assert "And 5 more alerts." in body["text"]


def test_a_channel_that_is_off_or_gone_takes_nothing_and_says_why(post: Outpost, receiver: Receiver) -> None:
    post.channel("off", {"url": receiver.url("off")}, enabled=False)
    post.channel("gone", {"url": receiver.url("gone")})
    post.tells("off", "gone")
    post.alert("raised", "pump-1")
    with connect(post.config) as connection:
        connection.execute("DELETE FROM channel WHERE tenant = %s AND channel = 'gone'", (post.tenant,))
    with post.notifier() as notifier:
        notifier.run()
    assert receiver.requests == []
    assert sorted(post.notifications("channel", "state", "last_error")) == [
        ("gone", "dead", "there is no such channel"),
        ("off", "dead", "the channel is switched off"),
    ]


def test_a_secret_that_does_not_open_ends_only_its_own_channel(post: Outpost, receiver: Receiver) -> None:
    post.channel("moved", {"url": receiver.url("moved")})
    post.channel("ops", {"url": receiver.url("ops")})
    with connect(post.config) as connection:
        store = ChannelStore(connection, post.tenant)
        sealed = store.get("moved").secret
        store.put(store.get("ops")._replace(secret=sealed), "eve", store.get("ops").updated_at)  # type: ignore[arg-type]
    post.tells("ops", "moved")
    post.alert("raised", "pump-1")
    with post.notifier() as notifier:
        notifier.run()
    assert len(receiver.got("moved")) == 1
    assert receiver.got("ops") == []
    assert sorted(post.notifications("channel", "state")) == [("moved", "sent"), ("ops", "dead")]
