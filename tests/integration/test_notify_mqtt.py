"""Alerts go back to the device and the site over a real broker, to whom they concern and nobody else."""

from collections.abc import Iterator
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from typing import Any

import msgspec
import pytest
from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties

from api.notifier.channel_kind import Envelope, Outcome, Reach
from api.notifier.discovery import kind_named
from api.notifier.options import options
from millrace.secrets import load_secrets
from millrace.settings import Settings
from tests.integration.notify_services import NO_BROKER, running
from udfs.notify.notice import sample_notice

pytestmark = [pytest.mark.integration, pytest.mark.alerts]
NOW_MS = 1_767_225_600_000
Heard = SimpleQueue[tuple[str, dict[str, Any]]]


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    with running(tmp_path_factory.mktemp("broker"), ("postgres", "mosquitto")) as config:
        yield config


@contextmanager
def listener(config: Settings, *topics: str) -> Iterator[Heard]:
    """Hear as a device of the tenant does; a topic it may not read fails here."""
    heard: Heard = SimpleQueue()
    granted: SimpleQueue[list[Any]] = SimpleQueue()
    client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv5)
    client.username_pw_set(config.tenant, load_secrets(config).tenant_token(config.tenant))
    client.on_message = lambda _c, _u, m: heard.put((m.topic, msgspec.json.decode(m.payload)))

    def subscribed(_c: Client, _u: object, _mid: int, reasons: list[Any], _p: Properties | None) -> None:
        granted.put(reasons)

    client.on_subscribe = subscribed
    client.connect(config.bind_host, config.port("mqtt"))
    client.loop_start()
    try:
        client.subscribe([(topic, 1) for topic in topics])
        assert [reason.value for reason in granted.get(timeout=10)] == [1] * len(topics)
        yield heard
    finally:
        client.disconnect()
        client.loop_stop()


def send(config: Settings, to: str, tenant: str = "demo") -> Outcome:
    notice = sample_notice(tenant, NOW_MS)
    envelope = Envelope(
        "notification-7", notice, msgspec.to_builtins(notice), NOW_MS, "https://plant.example"
    )
    kind = kind_named("mqtt")
    reach = options(config).reach(private_allowed=False)
    return kind.deliver(kind.read_settings({"to": to}), kind.read_secret({}), envelope, reach)


@pytest.mark.parametrize(
    ("to", "topic"), [("device", "t/demo/example-device/alerts"), ("site", "s/demo/example-site/alerts")]
)
def test_an_alert_reaches_who_listens_at_its_place(services: Settings, to: str, topic: str) -> None:
    with listener(services, topic) as heard:
        assert send(services, to) == Outcome("sent")
        place, said = heard.get(timeout=10)
    assert place == topic
    assert (said["id"], said["rule"], said["reason"]) == ("notification-7", "example-rule", "test")
    assert said["alerts"][0]["what"] == "temperature_c is 96.4, above the limit of 90, for at least 1 min"


def test_that_nobody_listened_is_told(services: Settings) -> None:
    assert send(services, "device") == Outcome("sent", "no subscriber on 1 of 1 topic")


def test_a_tenant_hears_nothing_of_another(services: Settings) -> None:
    with listener(services, "t/demo/+/alerts", "s/demo/+/alerts", "t/+/+/alerts") as heard:
        assert send(services, "device", tenant="rival").result == "sent"
        assert send(services, "device").result == "sent"
        assert heard.get(timeout=10)[0] == "t/demo/example-device/alerts"
        with pytest.raises(Empty):
            while True:
                assert heard.get(timeout=0.5)[0].startswith("t/demo/")


def test_a_broker_that_is_away_or_lets_nobody_in_is_a_failure_that_may_pass(services: Settings) -> None:
    kind = kind_named("mqtt")
    notice = sample_notice("demo", NOW_MS)
    envelope = Envelope("m", notice, msgspec.to_builtins(notice), NOW_MS, "https://plant.example")
    stranger = options(services).broker._replace(password="guess")
    for broker in (NO_BROKER, stranger):
        outcome = kind.deliver(
            kind.read_settings({}),
            kind.read_secret({}),
            envelope,
            Reach(private_allowed=False, broker=broker),
        )
        assert outcome.result == "failed", broker


def test_a_topic_the_broker_does_not_let_us_write_is_a_failure_not_a_success(services: Settings) -> None:
    notice = msgspec.structs.replace(sample_notice("demo", NOW_MS), tenant="demo")
    device = kind_named("mqtt")
    envelope = Envelope("m", notice, msgspec.to_builtins(notice), NOW_MS, "https://plant.example")
    as_device = options(services).broker._replace(
        user="demo", password=load_secrets(services).tenant_token("demo")
    )
    outcome = device.deliver(
        device.read_settings({}),
        device.read_secret({}),
        envelope,
        Reach(private_allowed=False, broker=as_device),
    )
    assert outcome.result == "failed"
    assert "authorized" in outcome.detail.lower()
