"""What a device says over MQTT in wrong words or at a wrong place becomes a dead letter, never nothing."""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from fastavro import schemaless_reader
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from millrace.contracts import avro_schema
from millrace.reading import decode
from millrace.secrets import load_secrets
from millrace.settings import Settings
from millrace.stack.discovery import services
from tests.integration.own_services import end, own_services, start, until
from tests.integration.refusal_services import _messages

pytestmark = [pytest.mark.integration, pytest.mark.gateway]


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    home = Path(tmp_path_factory.mktemp("mqtt"))
    with own_services(home, "mistakes", "kafka", "mosquitto") as found:
        gateway = start(found, "gateway-mqtt")
        try:
            until(lambda: services()["gateway-mqtt"].ready(found))
            yield found
        finally:
            end(gateway)


@pytest.fixture(scope="module")
def device(config: Settings) -> Iterator[Client]:
    client = Client(CallbackAPIVersion.VERSION2, "pump-1")
    client.username_pw_set(config.tenant, load_secrets(config).tenant_token(config.tenant))
    client.connect(config.bind_host, config.port("mqtt"))
    client.loop_start()
    until(client.is_connected)
    yield client
    client.disconnect()
    client.loop_stop()


def say(device: Client, topic: str, payload: bytes) -> None:
    device.publish(topic, payload, qos=1).wait_for_publish(10)


def letters(config: Settings) -> dict[str, dict[str, Any]]:
    schema = avro_schema("telemetry.dead-letter")
    found: list[Any] = [
        schemaless_reader(BytesIO(value), schema, None)
        for _, _, value in _messages(config, "telemetry.dead-letter")
    ]
    return {letter["address"]: letter for letter in found}


def test_topics_that_nearly_mean_telemetry_become_dead_letters(config: Settings, device: Client) -> None:
    tenant = config.tenant

    def is_heard() -> bool:
        # Mosquitto keeps nothing for a gateway that has not subscribed yet.
        say(device, f"t/{tenant}/warm-up/telemetry", b'{"metrics":{"a":1}}')
        return any(True for _ in _messages(config, "telemetry"))

    until(is_heard, 20)
    topics = [f"t/{tenant}/pump-1{rest}" for rest in ("", "/data", "/Telemetry", "/telemetry/a", "/a/b/c")]
    for topic in topics:
        say(device, topic, b'{"metrics":{"a":1}}')
    until(lambda: set(topics) <= letters(config).keys(), 20)
    found = letters(config)
    assert {(found[topic]["reason"], found[topic]["tenant"]) for topic in topics} == {("bad_address", tenant)}
    readings = [decode(value) for _, _, value in _messages(config, "telemetry")]
    assert {reading.device_id for reading in readings} == {"warm-up"}


def test_a_status_counts_in_any_common_word_and_else_is_a_dead_letter_once(
    config: Settings, device: Client
) -> None:
    topic = f"t/{config.tenant}/%s/status"
    for name, word in (("d1", b"Online"), ("d2", b'{"state":"offline"}'), ("d3", b"tired")):
        say(device, topic % name, word)

    def signals() -> dict[str, str]:
        found = [decode(value) for _, _, value in _messages(config, "device-signals")]
        said = [(one.device_id, (one.attributes or {})["what"]) for one in found]
        return dict(pair for pair in said if pair[0] in {"d1", "d2", "d3"})

    until(lambda: signals() == {"d1": "connected", "d2": "lost"}, 20)
    until(lambda: topic % "d3" in letters(config), 20)
    letter = letters(config)[topic % "d3"]
    assert (letter["reason"], letter["device_id"], letter["original"]) == ("bad_status", "d3", b"tired")
