"""The gateway on real brokers: what devices sent is in Kafka, whatever is stopped or killed meanwhile."""

import gzip
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any
from uuid import uuid4

import httpx
import msgspec
import psutil
import pytest
from confluent_kafka import Consumer, TopicPartition
from fastavro import schemaless_reader
from kafka.partitioner import murmur2
from paho.mqtt.client import Client, MQTTMessageInfo
from paho.mqtt.enums import CallbackAPIVersion

from millrace.contracts import avro_schema, topics
from millrace.reading import Reading, decode
from millrace.secrets import load_secrets
from millrace.settings import Settings

pytestmark = [pytest.mark.integration, pytest.mark.gateway]

PATIENCE_S = 60.0


def read_dead_letter(value: bytes) -> dict[str, Any]:
    fields: Any = schemaless_reader(BytesIO(value), avro_schema("telemetry.dead-letter"), None)
    return dict(fields)


class Tail:
    """Everything a topic gets from now on."""

    def __init__(self, stack: Settings, topic: str, read: Callable[[bytes], Any]) -> None:
        config = {"bootstrap.servers": stack.address("kafka"), "group.id": f"tail-{uuid4()}"}
        self._consumer = Consumer({**config, "enable.auto.commit": False})
        self._read = read
        places = [TopicPartition(topic, p) for p in range(topics()[topic].partitions)]
        for place in places:
            place.offset = self._consumer.get_watermark_offsets(place, timeout=10)[1]
        self._consumer.assign(places)
        self.seen: list[Any] = []
        self.partitions: dict[bytes | None, set[int]] = {}

    def until(self, enough: Callable[[list[Any]], bool]) -> list[Any]:
        """Collect until `enough`, or fail; a second more shows what should not come."""
        deadline = time.monotonic() + PATIENCE_S
        while not enough(self.seen) and time.monotonic() < deadline:
            self._collect()
        assert enough(self.seen), f"{len(self.seen)} seen after {PATIENCE_S} s"
        self._collect()
        return self.seen

    def _collect(self) -> None:
        for message in self._consumer.consume(10_000, timeout=1.0):
            assert message.error() is None, message.error()
            self.partitions.setdefault(message.key(), set()).add(message.partition() or 0)
            self.seen.append(self._read(message.value() or b""))

    def close(self) -> None:
        self._consumer.close()


@pytest.fixture
def readings(stack: Settings) -> Iterator[Tail]:
    tail = Tail(stack, "telemetry", decode)
    yield tail
    tail.close()


@pytest.fixture
def dead_letters(stack: Settings) -> Iterator[Tail]:
    tail = Tail(stack, "telemetry.dead-letter", read_dead_letter)
    yield tail
    tail.close()


@pytest.fixture
def device(stack: Settings) -> Iterator[Client]:
    """A device on MQTT with a name nobody else has."""
    client = Client(CallbackAPIVersion.VERSION2, f"dev-{uuid4().hex[:12]}")
    client.username_pw_set(stack.tenant, load_secrets(stack).tenant_token(stack.tenant))
    client.max_inflight_messages_set(1_000)
    client.connect(stack.bind_host, stack.port("mqtt"))
    client.loop_start()
    wait_until(client.is_connected)
    yield client
    client.disconnect()
    client.loop_stop()


def name_of(device: Client) -> str:
    return device._client_id.decode()


def publish(stack: Settings, device: Client, payload: bytes) -> MQTTMessageInfo:
    return device.publish(f"t/{stack.tenant}/{name_of(device)}/telemetry", payload, qos=1)


def publish_numbered(stack: Settings, device: Client, count: int) -> set[str]:
    """Publish `count` readings and return their event ids once the MQTT broker has them."""
    ids = [f"{name_of(device)}-{number}" for number in range(count)]
    sent = [publish(stack, device, b'{"event_id":"%s","metrics":{"n":1}}' % i.encode()) for i in ids]
    for message in sent:
        message.wait_for_publish(PATIENCE_S)
    return set(ids)


def holds(ids: set[str]) -> Callable[[list[Reading]], bool]:
    return lambda seen: ids <= {reading.event_id for reading in seen}


def listening(port: int) -> psutil.Process:
    """Return the process that listens on a port, waiting for it to come up."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        for connection in psutil.net_connections("tcp"):
            if connection.laddr and connection.laddr.port == port and connection.status == psutil.CONN_LISTEN:
                return psutil.Process(connection.pid)
        time.sleep(0.1)
    raise AssertionError(f"nothing listens on {port}")


def gateway(stack: Settings) -> psutil.Process:
    return listening(stack.port("gateway_metrics"))


@contextmanager
def kafka_stopped(stack: Settings) -> Iterator[None]:
    process = listening(stack.port("kafka"))
    process.suspend()
    try:
        yield
    finally:
        process.resume()


def metric(stack: Settings, name: str) -> float:
    text = httpx.get(f"http://{stack.address('gateway_metrics')}/metrics").text
    lines = (line for line in text.splitlines() if line.startswith(f"millrace_gateway_{name}"))
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines)


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def post(stack: Settings, content: bytes, **headers: str) -> httpx.Response:
    token = load_secrets(stack).tenant_token(stack.tenant)
    url = f"http://{stack.address('gateway_http')}/v1/telemetry"
    return httpx.post(
        url, content=content, headers={"Authorization": f"Bearer {token}", **headers}, timeout=30
    )


def test_an_mqtt_reading_reaches_kafka_as_it_was_sent(
    stack: Settings, device: Client, readings: Tail
) -> None:
    payload = b'{"event_id":"only","event_time":1767225600000,"metrics":{"temperature_c":21.5}}'
    publish(stack, device, payload)
    seen = readings.until(lambda seen: any(r.device_id == name_of(device) for r in seen))
    (reading,) = [r for r in seen if r.device_id == name_of(device)]
    assert (reading.tenant, reading.event_id, reading.source) == (stack.tenant, "only", "mqtt")
    assert (reading.event_time, reading.metrics) == (1_767_225_600_000, {"temperature_c": 21.5})


def test_poison_becomes_a_dead_letter_with_its_bytes_and_the_next_reading_passes(
    stack: Settings, device: Client, readings: Tail, dead_letters: Tail
) -> None:
    poison = [b"\xff\xfe\x00", b'{"metrics":{"a":NaN}}', b'{"metrics":{"a":"x"}}']
    for payload in poison:
        publish(stack, device, payload)
    publish(stack, device, b'[{"metrics":{"a":{}}},{"event_id":"good","metrics":{"a":1}}]')
    seen = dead_letters.until(lambda seen: sum(d["device_id"] == name_of(device) for d in seen) == 4)
    letters = {d["original"]: d["reason"] for d in seen if d["device_id"] == name_of(device)}
    assert letters == {
        poison[0]: "not_utf8",
        poison[1]: "not_finite",
        poison[2]: "unknown_metric_type",
        b'{"metrics":{"a":{}}}': "unknown_metric_type",
    }
    accepted = readings.until(lambda seen: any(r.device_id == name_of(device) for r in seen))
    assert [r.event_id for r in accepted if r.device_id == name_of(device)] == ["good"]


def test_readings_in_flight_survive_a_stopped_kafka_and_a_killed_gateway(
    stack: Settings, device: Client, readings: Tail
) -> None:
    """Had the gateway sent PUBACK before Kafka answered, the killed process would have taken these along."""
    first = gateway(stack)
    with kafka_stopped(stack):
        ids = publish_numbered(stack, device, 500)
        wait_until(lambda: metric(stack, "waiting_payloads") >= 500)
        os.kill(first.pid, signal.SIGKILL)
    assert gateway(stack).pid != first.pid
    readings.until(holds(ids))


def test_a_pause_of_kafka_neither_loses_nor_repeats(stack: Settings, device: Client, readings: Tail) -> None:
    with kafka_stopped(stack):
        ids = publish_numbered(stack, device, 3_000)
        wait_until(lambda: metric(stack, "waiting_payloads") >= 1_000)
    seen = [r.event_id for r in readings.until(holds(ids)) if r.event_id in ids]
    assert len(seen) == len(ids)


def test_a_gateway_killed_in_full_flow_loses_nothing(stack: Settings, device: Client, readings: Tail) -> None:
    ids = {f"{name_of(device)}-{number}" for number in range(8_000)}
    before = gateway(stack)
    received = metric(stack, "payloads_total")
    sent = [publish(stack, device, b'{"event_id":"%s","metrics":{"n":1}}' % i.encode()) for i in sorted(ids)]
    wait_until(lambda: metric(stack, "payloads_total") > received + 500)
    os.kill(before.pid, signal.SIGKILL)
    for message in sent:
        message.wait_for_publish(PATIENCE_S)
    readings.until(holds(ids))


def test_a_gateway_told_to_stop_leaves_without_repeating(
    stack: Settings, device: Client, readings: Tail
) -> None:
    before = gateway(stack)
    ids = publish_numbered(stack, device, 2_000)
    before.send_signal(signal.SIGTERM)
    before.wait(PATIENCE_S)
    seen = [r.event_id for r in readings.until(holds(ids)) if r.event_id in ids]
    assert len(seen) == len(ids)


def test_http_says_202_only_for_what_kafka_has(stack: Settings, readings: Tail, dead_letters: Tail) -> None:
    name = f"http-{uuid4().hex[:12]}"
    good = [{"device_id": name, "event_id": str(n), "metrics": {"n": n}} for n in range(100)]
    bad = b'{"device_id": "%s" , "metrics": {}}' % name.encode()
    body = msgspec.json.encode([*good, msgspec.Raw(bad)])
    response = post(stack, gzip.compress(body), **{"Content-Encoding": "gzip"})
    assert response.status_code == 202
    assert response.json()["accepted"] == 100
    assert [(r["index"], r["reason"]) for r in response.json()["rejected"]] == [(100, "empty_metrics")]
    # The answer came, so everything must already be there: one look, no waiting.
    readings._collect()
    dead_letters._collect()
    assert sorted(int(r.event_id) for r in readings.seen if r.device_id == name) == list(range(100))
    assert bad in {d["original"] for d in dead_letters.seen}


def test_a_device_lands_in_the_partition_that_other_clients_give_its_key(
    stack: Settings, readings: Tail
) -> None:
    names = {f"part-{uuid4().hex[:8]}" for _ in range(40)}
    post(stack, msgspec.json.encode([{"device_id": name, "metrics": {"n": 1}} for name in names]))
    readings.until(lambda seen: names <= {r.device_id for r in seen})
    count = topics()["telemetry"].partitions
    for name in names:
        key = f"{stack.tenant}/{name}".encode()
        assert readings.partitions[key] == {(murmur2(key) & 0x7FFFFFFF) % count}


def test_http_asks_to_come_back_while_kafka_is_silent(stack: Settings) -> None:
    payload = b'{"device_id":"patient","metrics":{"a":1}}'
    with kafka_stopped(stack):
        started = time.monotonic()
        response = post(stack, payload)
        waited_s = time.monotonic() - started
    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) > 0
    assert waited_s < 12
    assert post(stack, payload).status_code == 202
