"""How long after its time a silence is told: from last arrival + offline_after to the event in Kafka."""

import threading
import time
from typing import Any

import numpy as np
from confluent_kafka import Message, Producer

from bench.freshness import Percentiles
from bench.log_records import Offsets, Tail, end_offsets
from millrace.clock import now_ms
from millrace.errors import MillraceError
from millrace.reading import Reading, encode
from millrace.settings import Settings
from millrace.unregistered import DEFAULT_OFFLINE_AFTER_MS

EVENTS = "device-events"
_TENANT = "bench"
_STOPPING_S = 20
_SETTLE_S = 20
# A reading that waits to be sent makes its device silent.
_MOST_WAITING_S = 20


class LiveDevices:
    """Devices that send once a second each, spread over the second; some stop, one after the other."""

    def __init__(self, settings: Settings, devices: int) -> None:
        self.last_arrival_ms: dict[str, int] = {}
        self._devices = [f"live-{number:05d}" for number in range(devices)]
        self._producer = Producer(
            {"bootstrap.servers": settings.address("kafka"), "linger.ms": 20, "compression.type": "lz4",
             "queue.buffering.max.messages": 500_000, "partitioner": "murmur2_random"}
        )  # fmt: skip

    def send(self, seconds: float, stopping: dict[str, float]) -> None:
        """Send for a while; `stopping` says how many seconds from now on a device goes on."""
        started = time.monotonic()
        sent = 0
        while (elapsed_s := time.monotonic() - started) < seconds:
            due = int(elapsed_s * len(self._devices))
            for place in range(sent, due):
                device = self._devices[place % len(self._devices)]
                if stopping.get(device, seconds) > elapsed_s:
                    self._send(device, place)
            sent = due
            self._producer.poll(0.01)
            waiting = len(self._producer)
            if waiting > _MOST_WAITING_S * len(self._devices):
                raise MillraceError(
                    f"this machine does not store {len(self._devices):,} readings/s: {waiting:,} wait",
                    mend="Ask for fewer devices.",
                )
        self._producer.flush()

    def _send(self, device: str, place: int) -> None:
        now = now_ms()
        reading = Reading(
            tenant=_TENANT, device_id=device, event_id=f"{now:x}-{place:x}", event_time=now,
            metrics={"temperature_c": 20.0, "battery_pct": 80.0}, received_at=now, source="kafka",
        )  # fmt: skip
        self._producer.produce("telemetry", encode(reading), reading.key, on_delivery=self._arrived)

    def _arrived(self, error: Any, message: Message) -> None:
        if error is None:
            device = (message.key() or b"").decode().partition("/")[2]
            self.last_arrival_ms[device] = max(self.last_arrival_ms.get(device, 0), message.timestamp()[1])


def detection(settings: Settings, devices: int, stopped: int, warm_up_s: float) -> Percentiles:
    """Stop some of the devices within 20 s; return how much later than its time each silence was told."""
    live = LiveDevices(settings, devices)
    names = [f"live-{number * devices // stopped:05d}" for number in range(stopped)]
    stopping = {name: warm_up_s + _STOPPING_S * place / stopped for place, name in enumerate(names)}
    told: dict[str, int] = {}
    ending = threading.Event()
    begin = end_offsets(settings, EVENTS)
    watcher = threading.Thread(target=_watch, args=(settings, begin, told, ending))
    watcher.start()
    live.send(warm_up_s + _STOPPING_S + DEFAULT_OFFLINE_AFTER_MS / 1000 + _SETTLE_S, stopping)
    ending.set()
    watcher.join()
    living, missed = told.keys() - set(names), set(names) - told.keys()
    if living or missed:
        raise MillraceError(
            f"{len(living)} living devices were told offline, {len(missed)} silent ones were not",
            mend="See `millrace logs taskmanager`.",
        )
    delays = [told[name] - live.last_arrival_ms[name] - DEFAULT_OFFLINE_AFTER_MS for name in names]
    p50, p99 = np.percentile(delays, [50, 99])
    return Percentiles(len(delays), float(p50), float(p99), float(max(delays)))


def _watch(settings: Settings, begin: Offsets, told: dict[str, int], ending: threading.Event) -> None:
    with Tail(settings, EVENTS, begin) as tail:
        while not ending.is_set():
            for record in tail.read(0.2):
                event = record.fields
                if (event["tenant"], event["type"]) == (_TENANT, "offline"):
                    told.setdefault(event["device_id"], record.appended_ms)
