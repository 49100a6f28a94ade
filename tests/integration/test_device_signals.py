"""What the real broker tells of connections becomes signals; the clock marks every second."""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import pairwise
from uuid import uuid4

import pytest
from confluent_kafka import Consumer, TopicPartition
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from millrace.contracts import topics
from millrace.reading import Reading, decode
from millrace.secrets import load_secrets
from millrace.settings import Settings

pytestmark = [pytest.mark.integration, pytest.mark.sessions]

PATIENCE_S = 15.0


class News:
    """Everything a topic gets from now on."""

    def __init__(self, stack: Settings, topic: str) -> None:
        config = {"bootstrap.servers": stack.address("kafka"), "group.id": f"news-{uuid4()}"}
        self._consumer = Consumer({**config, "enable.auto.commit": False})
        places = [TopicPartition(topic, partition) for partition in range(topics()[topic].partitions)]
        for place in places:
            place.offset = self._consumer.get_watermark_offsets(place, timeout=10)[1]
        self._consumer.assign(places)
        self.seen: list[Reading] = []

    def until(self, enough: Callable[[list[Reading]], bool]) -> list[Reading]:
        deadline = time.monotonic() + PATIENCE_S
        while not enough(self.seen) and time.monotonic() < deadline:
            self.seen += [decode(m.value() or b"") for m in self._consumer.consume(1_000, timeout=0.2)]
        assert enough(self.seen), self.seen
        return self.seen

    def said_of(self, device_id: str, count: int) -> list[str]:
        def mine(seen: list[Reading]) -> list[str]:
            return [(r.attributes or {})["what"] for r in seen if r.device_id == device_id]

        return mine(self.until(lambda seen: len(mine(seen)) >= count))

    def close(self) -> None:
        self._consumer.close()


@pytest.fixture
def signals(stack: Settings) -> Iterator[News]:
    news = News(stack, "device-signals")
    yield news
    news.close()


@pytest.fixture
def marks(stack: Settings) -> Iterator[News]:
    news = News(stack, "telemetry.clock")
    yield news
    news.close()


def device(stack: Settings, name: str, client_id: str, *, will: bool) -> Client:
    client = Client(CallbackAPIVersion.VERSION2, client_id)
    client.username_pw_set(stack.tenant, load_secrets(stack).tenant_token(stack.tenant))
    if will:
        client.will_set(f"t/{stack.tenant}/{name}/status", "offline", qos=1, retain=True)
    client.connect(stack.bind_host, stack.port("mqtt"))
    client.loop_start()
    deadline = time.monotonic() + PATIENCE_S
    while not client.is_connected() and time.monotonic() < deadline:
        time.sleep(0.02)
    return client


def break_off(client: Client) -> None:
    client.loop_stop()
    connection = client.socket()
    assert connection is not None
    with suppress(OSError):
        connection.close()


@pytest.mark.parametrize("named_by", ["{tenant}/{device}", "{device}"])
@pytest.mark.parametrize("will", [True, False])
def test_a_broken_connection_is_one_lost_signal_by_will_and_notice_together(
    stack: Settings, signals: News, named_by: str, will: bool
) -> None:
    name = f"sig-{uuid4().hex[:8]}"
    client = device(stack, name, named_by.format(tenant=stack.tenant, device=name), will=will)
    assert signals.said_of(name, 1) == ["connected"]
    break_off(client)
    assert signals.said_of(name, 2) == ["connected", "lost"]


def test_a_goodbye_is_no_loss(stack: Settings, signals: News) -> None:
    name = f"sig-{uuid4().hex[:8]}"
    client = device(stack, name, f"{stack.tenant}/{name}", will=True)
    assert signals.said_of(name, 1) == ["connected"]
    client.publish(f"t/{stack.tenant}/{name}/status", "goodbye", qos=1, retain=True).wait_for_publish(5)
    client.disconnect()
    client.loop_stop()
    assert signals.said_of(name, 2) == ["connected", "disconnected"]


def test_a_client_that_is_no_device_of_the_tenant_is_not_told_of(stack: Settings, signals: News) -> None:
    mark = uuid4().hex[:8]
    stranger = device(stack, "x", f"other/{mark}", will=False)
    break_off(stranger)
    known = device(stack, mark, f"{stack.tenant}/{mark}", will=False)
    assert signals.said_of(mark, 1) == ["connected"]
    assert [r.key for r in signals.seen if mark in r.device_id] == [f"{stack.tenant}/{mark}".encode()]
    known.disconnect()
    known.loop_stop()


def test_time_is_marked_once_a_second_and_nothing_is_paused_while_all_is_well(
    stack: Settings, marks: News
) -> None:
    seen = marks.until(lambda found: len(found) >= 8)[:8]
    steps_ms = [later.received_at - earlier.received_at for earlier, later in pairwise(seen)]
    assert 900 <= sorted(steps_ms)[len(steps_ms) // 2] <= 1_300
    assert len({(mark.attributes or {})["paused_ms"] for mark in seen}) == 1
    assert [mark.event_time for mark in seen] == sorted(mark.event_time for mark in seen)
