"""Simulated devices in sites, one MQTT connection a site; any of them can be stopped and started."""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import msgspec

from ingest.replay.message import Body, Message
from ingest.replay.way import Sender
from millrace.errors import MillraceError

_log = logging.getLogger("millrace.bench")
_TICK_S = 0.05
_RETRY_S = 2.0
_GOODBYE_S = 10.0


class Site(NamedTuple):
    """One site and its devices."""

    name: str
    devices: tuple[str, ...]


def sites_of(prefix: str, sites: int, devices: int) -> list[Site]:
    """Return `sites` sites that share `devices` devices evenly."""
    each = devices // sites
    return [
        Site(f"{prefix}site-{place}", tuple(f"{prefix}{place}-{number:03d}" for number in range(each)))
        for place in range(sites)
    ]


class SiteFleet(threading.Thread):
    """Sends for one site until stopped; what the broker does not take in time a device forgets.

    `sent` is every message handed to the broker's client, `last_sent_ms` when each device's last one was.
    """

    def __init__(
        self,
        site: Site,
        interval_ms: int,
        *,
        open_sender: Callable[[], Sender],
        clock_ms: Callable[[], int],
        stop: threading.Event,
    ) -> None:
        super().__init__(name=site.name, daemon=True)
        self.last_sent_ms: dict[str, int] = {}
        self.sent: list[Message] = []
        self._interval_ms = interval_ms
        self._open_sender = open_sender
        self._clock_ms = clock_ms
        self._ending = stop
        self._lock = threading.Lock()
        now, each_ms = clock_ms(), interval_ms / max(1, len(site.devices))
        self._due_ms = {device: now + place * each_ms for place, device in enumerate(site.devices)}
        self._silenced: set[str] = set()

    def silence(self, devices: Iterable[str]) -> None:
        """Stop devices; when this returns they have sent their last message."""
        with self._lock:
            self._silenced |= set(devices)

    def wake(self, devices: Iterable[str]) -> None:
        """Start stopped devices again."""
        with self._lock:
            self._silenced -= set(devices)

    def run(self) -> None:
        """Keep a connection and send through it; a refused or lost one is tried again."""
        while not self._ending.is_set():
            try:
                self._serve(self._open_sender())
            except MillraceError as error:
                _log.warning("%s: %s", self.name, error)
                self._ending.wait(_RETRY_S)

    def _serve(self, sender: Sender) -> None:
        try:
            while not self._ending.is_set():
                with self._lock:
                    self._tick(sender)
                sender.poll(0.0)
                time.sleep(_TICK_S)
            _drain(sender)
        finally:
            sender.close()

    def _tick(self, sender: Sender) -> None:
        now = self._clock_ms()
        for device, due_ms in self._due_ms.items():
            if due_ms > now:
                continue
            self._due_ms[device] = max(due_ms + self._interval_ms, now)
            if device not in self._silenced and sender.in_flight < sender.window:
                message = _message(device, now)
                sender.send(message)
                self.last_sent_ms[device] = now
                self.sent.append(message)


def _drain(sender: Sender) -> None:
    deadline = time.monotonic() + _GOODBYE_S
    while sender.in_flight and time.monotonic() < deadline:
        sender.poll(_TICK_S)


@contextmanager
def running(
    sites: Iterable[Site], interval_ms: int, open_sender: Callable[[], Sender], clock_ms: Callable[[], int]
) -> Iterator[list[SiteFleet]]:
    """Run a fleet for each site and stop them all at the end."""
    stop = threading.Event()
    fleets = [
        SiteFleet(site, interval_ms, open_sender=open_sender, clock_ms=clock_ms, stop=stop) for site in sites
    ]
    for fleet in fleets:
        fleet.start()
    try:
        yield fleets
    finally:
        stop.set()
        for fleet in fleets:
            fleet.join(2 * _GOODBYE_S)


def _message(device: str, now_ms: int) -> Message:
    body = Body(event_id=f"{device}-{now_ms}", event_time=now_ms, metrics={"temperature_c": 20.0})
    return Message(device, now_ms, msgspec.json.encode(body))
