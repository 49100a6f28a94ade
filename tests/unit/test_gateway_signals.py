"""What statuses and the broker's notices say of devices, and which of it becomes a signal."""

import pytest

from ingest.gateway.producer import OnAck, OnPlace
from ingest.gateway.signals import HOLD_MS, NOTICE_TOPIC, Notices, Signals, Speaker, read_status
from millrace.reading import decode

pytestmark = pytest.mark.sessions

PUMP = Speaker("demo", "pump-1")
CAME = b"1795406503: New client connected from 127.0.0.1:35343 as %s (p5, c1, k2, u'%s')."


class KeptLog:
    """A log that keeps what it is given, unless it is full."""

    def __init__(self, full: bool = False) -> None:
        self.full = full
        self.kept: list[tuple[str, bytes | None, str]] = []

    def produce(
        self, topic: str, key: bytes | None, value: bytes, on_ack: OnAck, on_place: OnPlace | None = None
    ) -> None:
        self.kept.append((topic, key, (decode(value).attributes or {})["what"]))

    def poll(self, timeout_s: float) -> int:
        return 0

    def flush(self, timeout_s: float) -> int:
        return 0

    def has_room(self) -> bool:
        return not self.full

    def pending(self) -> int:
        return 0

    def failure(self) -> str | None:
        return None


class Told:
    """Signals whose clock a test moves."""

    def __init__(self, full: bool = False) -> None:
        self.now_ms = 1_800_000_000_000
        self.log = KeptLog(full)
        self.signals = Signals(self.log, lambda: self.now_ms, {"demo"})

    def say(self, payload: bytes, topic: str = "t/demo/pump-1/status", stored: bool = False) -> bool:
        return self.signals.take(topic, payload, stored=stored)

    def later(self, ms: int = HOLD_MS) -> list[str]:
        self.now_ms += ms
        self.signals.release()
        return [what for _, _, what in self.log.kept]


@pytest.mark.parametrize(
    ("topic", "payload", "said"),
    [
        ("t/demo/pump-1/status", b"online", (PUMP, "connected")),
        ("t/demo/pump-1/status", b"goodbye\n", (PUMP, "disconnected")),
        ("t/demo/pump-1/status", b"offline", (PUMP, "lost")),
        ("t/demo/pump-1/status", b"Online", (PUMP, "connected")),
        ("t/demo/pump-1/status", b" ON ", (PUMP, "connected")),
        ("t/demo/pump-1/status", b"CONNECTED", (PUMP, "connected")),
        ("t/demo/pump-1/status", b"true", (PUMP, "connected")),
        ("t/demo/pump-1/status", b'"Online"', (PUMP, "connected")),
        ("t/demo/pump-1/status", b"OFF", (PUMP, "lost")),
        ("t/demo/pump-1/status", b"Disconnected", (PUMP, "disconnected")),
        ("t/demo/pump-1/status", b'{"state":"offline"}', (PUMP, "lost")),
        ("t/demo/pump-1/status", b'{"Status": "ONLINE", "rssi": -60}', (PUMP, "connected")),
        ("t/demo/pump-1/status", b'{"connected": false}', (PUMP, "lost")),
        ("t/demo/pump-1/status", b'{"online": 1}', (PUMP, "connected")),
        ("t/demo/pump-1/status", b'{"state":"online","connected":false}', None),
        ("t/demo/pump-1/status", b'{"state":"tired"}', None),
        ("t/demo/pump-1/status", b'{"mode":"online"}', None),
        ("t/demo/pump-1/status", b'{"state":', None),
        ("t/demo/pump-1/status", b'{"state":NaN}', None),
        ("t/demo/pump-1/status", b"[" * 5000, None),
        ("t/demo/pump-1/status", b"\xff", None),
        ("t/demo/pump-1/status", b"", None),
        ("t/demo/pump-1/status", b"OK", None),
        ("t/demo/pump 1/status", b"online", None),
        ("t/demo/a/b/status", b"online", None),
        ("x/demo/pump-1/status", b"online", None),
    ],
)
def test_a_status_says_what_its_payload_means(topic: str, payload: bytes, said: object) -> None:
    assert read_status(topic, payload) == said


@pytest.mark.parametrize("client", [b"demo/pump-1", b"pump-1"])
@pytest.mark.parametrize(
    ("went", "what"),
    [
        (b"disconnected.", "disconnected"),
        (b"closed its connection.", "lost"),
        (b"has exceeded timeout, disconnecting.", "lost"),
        (b"disconnected due to protocol error.", "lost"),
        (b"disconnected: not authorised.", "lost"),
    ],
)
def test_the_broker_names_who_came_and_how_it_went(client: bytes, went: bytes, what: str) -> None:
    notices = Notices({"demo"})
    assert notices.read(CAME % (client, b"demo")) == (PUMP, "connected")
    assert notices.read(b"1795406504: Client %s %s" % (client, went)) == (PUMP, what)
    assert notices.read(b"1795406504: Client %s %s" % (client, went)) is None


@pytest.mark.parametrize(
    "text",
    [
        b"1795406503: New connection from 127.0.0.1:35343 on port 23001.",
        b"1795406504: Client pump-1 disconnected.",
        CAME % (b"gateway-0", b"gateway"),
        CAME % (b"other/pump-1", b"demo"),
        CAME % (b"odd (p5, c1, k2, u'demo')", b"other"),
        b"1795406503: New client connected from 127.0.0.1:35343 as pump-1 (p5, c1, k2).",
        b"\xff\xfe",
    ],
)
def test_a_notice_of_nobody_we_know_says_nothing(text: bytes) -> None:
    assert Notices({"demo"}).read(text) is None


@pytest.mark.parametrize(
    "name", [b"demo/pump-1 disconnected: x", b"demo/pump-1 closed its connection.", b"demo/pump-1 [1]"]
)
def test_no_client_can_say_by_its_name_that_another_went(name: bytes) -> None:
    notices = Notices({"demo", "other"})
    notices.read(CAME % (b"demo/pump-1", b"demo"))
    assert notices.read(CAME % (name, b"other")) is None
    assert notices.read(b"1795406504: Client %s closed its connection." % name) is None
    assert notices.read(b"1795406505: Client demo/pump-1 disconnected.") == (PUMP, "disconnected")


def test_a_signal_is_handed_over_after_its_second_with_the_key_of_its_device() -> None:
    told = Told()
    assert told.say(b"online")
    assert told.later(HOLD_MS - 1) == []
    assert told.later(1) == ["connected"]
    assert told.log.kept == [("device-signals", b"demo/pump-1", "connected")]
    assert told.later() == ["connected"]


def test_will_and_notice_are_one_signal_and_a_reconnect_is_none_of_them() -> None:
    told = Told()
    told.say(CAME % (b"demo/pump-1", b"demo"), NOTICE_TOPIC)
    told.say(b"offline")
    told.say(b"1: Client demo/pump-1 closed its connection.", NOTICE_TOPIC)
    assert told.later() == ["lost"]
    told.say(b"offline")
    told.later(300)
    told.say(b"online")
    assert told.later() == ["lost", "connected"]


def test_the_wills_of_a_broker_that_stops_are_dropped_with_the_connection() -> None:
    told = Told()
    told.say(b"offline")
    told.signals.forget()
    assert told.later() == []


def test_what_the_broker_stored_before_is_no_news_and_other_topics_are_left_alone() -> None:
    told = Told()
    assert told.say(b"offline", stored=True)
    assert not told.say(b"{}", "t/demo/pump-1/telemetry")
    assert told.later() == []


@pytest.mark.parametrize("payload", [b"OK", b"", b"\xff", b'{"state":"tired"}'])
def test_a_status_that_says_nothing_is_left_to_the_dead_letters_unless_it_was_stored(payload: bytes) -> None:
    told = Told()
    assert not told.say(payload)
    assert told.say(payload, stored=True)
    assert not told.say(b"online", "t/demo/a/b/status")
    assert told.later() == []


def test_a_signal_that_finds_no_room_is_left_out() -> None:
    told = Told(full=True)
    told.say(b"offline")
    assert told.later() == []
