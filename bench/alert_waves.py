"""Devices whose one metric goes up and down: straight into topic `telemetry`, some of them over MQTT."""

import time
from contextlib import closing
from typing import Final, NamedTuple

import msgspec
from confluent_kafka import Producer

from ingest.gateway.producer import producer_config
from ingest.replay.message import Body, Message
from ingest.replay.way import Sender, open_sender
from millrace.clock import now_ms
from millrace.reading import Reading, encode
from millrace.settings import Settings

HIGHEST: Final = 100.0
_TICK_S: Final = 0.004
_GOODBYE_S: Final = 30.0


class Waves(NamedTuple):
    """Size and rhythm; the first `over_mqtt` devices send as devices do, the others as gateways write.

    Each device goes from 0 to 100 and back within `period_s`, the devices evenly apart.
    """

    run: str
    devices: int
    rate: int
    seconds: float
    period_s: float
    over_mqtt: int = 0

    @property
    def metric(self) -> str:
        """The metric, which no other run has."""
        return f"wave_{self.run}"

    @property
    def prefix(self) -> str:
        """What the names of rules and devices begin with."""
        return f"{self.run}-"

    def device(self, place: int) -> str:
        """Return the name of a device."""
        return f"{self.prefix}{place:04d}"

    def value(self, place: int, elapsed_s: float) -> float:
        """Return what a device measures at a moment of the run."""
        turn = (elapsed_s / self.period_s + place / self.devices) % 1.0
        return round(2 * HIGHEST * min(turn, 1.0 - turn), 3)


class Sent(NamedTuple):
    """What was sent, and how long that took."""

    readings: int
    seconds: float

    @property
    def per_s(self) -> float:
        """Return readings per second."""
        return self.readings / self.seconds


def send(settings: Settings, waves: Waves) -> Sent:
    """Send at the rate of the waves, or as fast as this machine can, and wait until Kafka has it all."""
    with closing(_Lanes(settings, waves)) as lanes:
        started, sent, total = time.monotonic(), 0, round(waves.rate * waves.seconds)
        while sent < total:
            due = min(total, int((time.monotonic() - started) * waves.rate))
            for number in range(sent, due):
                # As of when it is due: a sender that lags does not flatter the delays.
                elapsed_s = number / waves.rate
                place = number % waves.devices
                lanes.send(place, lanes.started_ms + round(elapsed_s * 1000), waves.value(place, elapsed_s))
            sent = due
            lanes.poll(_TICK_S)
        took_s = time.monotonic() - started
        for place in range(waves.devices):
            lanes.send(place, lanes.started_ms + round(1000 * total / waves.rate) + 1, 0.0)
        lanes.flush()
    return Sent(sent + waves.devices, took_s)


class _Lanes:
    """Both ways into the log."""

    def __init__(self, settings: Settings, waves: Waves) -> None:
        self._tenant, self._waves = settings.tenant, waves
        self._producer = Producer(producer_config(settings.address("kafka"), give_up_ms=0))
        self._mqtt: Sender | None = (
            open_sender("mqtt", settings, settings.tenant, None) if waves.over_mqtt else None
        )
        self.started_ms = now_ms()

    def send(self, place: int, event_ms: int, value: float) -> None:
        device_id, metrics = self._waves.device(place), {self._waves.metric: value}
        event_id = f"{device_id}-{event_ms}"
        if self._mqtt is not None and place < self._waves.over_mqtt:
            body = Body(event_id=event_id, event_time=event_ms, metrics=metrics)
            self._mqtt.send(Message(device_id, event_ms, msgspec.json.encode(body)))
            return
        reading = Reading(
            tenant=self._tenant, device_id=device_id, event_id=event_id, event_time=event_ms, metrics=metrics,
            received_at=now_ms(), source="kafka",
        )  # fmt: skip
        self._producer.produce("telemetry", encode(reading), reading.key)

    def poll(self, pause_s: float) -> None:
        self._producer.poll(0)
        if self._mqtt is not None:
            self._mqtt.poll(0)
        time.sleep(pause_s)

    def flush(self) -> None:
        deadline = time.monotonic() + _GOODBYE_S
        while self._mqtt is not None and self._mqtt.in_flight and time.monotonic() < deadline:
            self._mqtt.poll(_TICK_S)
        self._producer.flush()

    def close(self) -> None:
        if self._mqtt is not None:
            self._mqtt.close()
