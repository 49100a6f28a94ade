"""The storm's devices speak in turn, fall silent at once, and forget what the broker does not take."""

import threading
import time
from collections import Counter

import pytest

from bench.storm_fleet import Site, SiteFleet, running, sites_of
from ingest.replay.message import Message

pytestmark = pytest.mark.sessions

SITE = Site("s", ("a", "b", "c"))
INTERVAL_MS = 40


class Recorder:
    """A broker that remembers; it acknowledges everything, or nothing."""

    def __init__(self, acknowledges: bool = True) -> None:
        self.window, self.acknowledged, self.refused, self.refusal = 5, 0, 0, ""
        self.messages: list[Message] = []
        self.acknowledges = acknowledges
        self.closed = False

    @property
    def in_flight(self) -> int:
        return len(self.messages) - self.acknowledged

    def send(self, message: Message) -> None:
        self.messages.append(message)

    def poll(self, timeout_s: float) -> None:
        if self.acknowledges:
            self.acknowledged = len(self.messages)

    def close(self) -> None:
        self.closed = True


def clock_ms() -> int:
    return time.monotonic_ns() // 1_000_000


def until(fleet: SiteFleet, number: int) -> None:
    give_up = time.monotonic() + 10
    while len(fleet.sent) < number and time.monotonic() < give_up:
        time.sleep(0.01)
    assert len(fleet.sent) >= number


def test_everybody_speaks_and_who_is_silenced_has_sent_his_last() -> None:
    broker = Recorder()
    with running([SITE], INTERVAL_MS, lambda: broker, clock_ms) as [fleet]:
        until(fleet, 6)
        fleet.silence(["a"])
        last_ms, since = fleet.last_sent_ms["a"], len(fleet.sent)
        until(fleet, since + 4)
        assert {message.device_id for message in fleet.sent[since:]} == {"b", "c"}
        assert last_ms == max(m.event_time for m in broker.messages if m.device_id == "a")
        fleet.wake(["a"])
        until(fleet, len(fleet.sent) + 4)
        assert fleet.last_sent_ms["a"] > last_ms
    assert broker.closed
    assert min(Counter(message.device_id for message in broker.messages).values()) >= 2
    assert broker.messages == fleet.sent


def test_a_broker_that_takes_nothing_is_given_no_more_than_its_window() -> None:
    broker, stop = Recorder(acknowledges=False), threading.Event()
    fleet = SiteFleet(SITE, 1, open_sender=lambda: broker, clock_ms=clock_ms, stop=stop)
    fleet.start()
    until(fleet, broker.window)
    time.sleep(0.2)
    assert len(fleet.sent) == broker.window
    broker.acknowledges = True
    stop.set()
    fleet.join(5)


def test_sites_share_the_devices_evenly() -> None:
    sites = sites_of("r-", 5, 1_000)
    assert [len(site.devices) for site in sites] == [200] * 5
    assert len({device for site in sites for device in site.devices}) == 1_000
