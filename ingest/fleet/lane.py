"""One protocol's half of the fleet: samples its machines when due and sends until told to stop."""

import logging
from collections.abc import Callable, Sequence
from threading import Event, Thread
from typing import NamedTuple

import msgspec

from ingest.fleet.faults import Fault
from ingest.fleet.machines import Machine
from ingest.fleet.malformed import malformed
from ingest.replay.message import Body, Message
from ingest.replay.way import Sender, find_way
from millrace.errors import MillraceError

log = logging.getLogger("millrace.fleet")
_RETRY_S = 2.0
_CATCH_UP_MS = 3_000


class Rhythm(NamedTuple):
    """How often: readings per second and device, malformed messages per minute, seconds between looks."""

    rate_hz: float
    malformed_per_minute: float
    tick_s: float


class Lane(Thread):
    """Sends one group of machines over one protocol; opens its connection again for ever."""

    def __init__(
        self,
        via: str,
        machines: Sequence[Machine],
        rhythm: Rhythm,
        *,
        open_sender: Callable[[], Sender],
        fault: Fault | None,
        clock_ms: Callable[[], int],
        stop: Event,
    ) -> None:
        super().__init__(name=f"fleet-{via}", daemon=True)
        self.sampled = self.acknowledged = self.refused = self.dropped = 0
        self._name_device = find_way(via).names_device
        self._machines = machines
        self._rhythm = rhythm
        self._open_sender = open_sender
        self._fault = fault
        self._clock_ms = clock_ms
        self._ending = stop
        now = clock_ms()
        self._due_ms = [now + n * self._interval_ms / max(1, len(machines)) for n in range(len(machines))]
        self._malformed = 0
        self._malformed_due_ms = now + self._malformed_every_ms

    @property
    def _interval_ms(self) -> float:
        return 1000.0 / self._rhythm.rate_hz

    @property
    def _malformed_every_ms(self) -> float:
        per_minute = self._rhythm.malformed_per_minute
        return 60_000.0 / per_minute if per_minute else float("inf")

    def run(self) -> None:
        """Keep a connection and send through it; a refused or lost one is tried again."""
        while not self._ending.is_set():
            try:
                self._serve(self._open_sender())
            except MillraceError as error:
                log.warning("%s: %s", self.name, error)
                self._ending.wait(_RETRY_S)

    def _serve(self, sender: Sender) -> None:
        acknowledged, refused = self.acknowledged, self.refused
        try:
            while not self._ending.is_set():
                self._tick(sender)
                self.acknowledged, self.refused = acknowledged + sender.acknowledged, refused + sender.refused
        finally:
            sender.close()

    def _tick(self, sender: Sender) -> None:
        now = self._clock_ms()
        for message in self._due(now):
            # A device's buffer is small: what does not fit while the other side is away is lost here.
            if sender.in_flight < 10 * sender.window:
                sender.send(message)
            else:
                self.dropped += 1
        sender.poll(0.0)
        self._ending.wait(self._rhythm.tick_s)

    def _due(self, now_ms: int) -> list[Message]:
        messages = [self._message(n, now_ms) for n, due in enumerate(self._due_ms) if due <= now_ms]
        if self._malformed_due_ms <= now_ms and self._machines:
            messages.append(self._broken(now_ms))
        return messages

    def _message(self, n: int, now_ms: int) -> Message:
        # After a long pause (a suspended laptop) a device goes on from now, it does not catch up.
        behind_ms = now_ms - self._due_ms[n]
        self._due_ms[n] += self._interval_ms + (behind_ms if behind_ms > _CATCH_UP_MS else 0.0)
        machine = self._machines[n]
        wear = self._fault.wear(now_ms) if self._fault and self._fault.device_id == machine.device_id else 0.0
        metrics, location = machine.sample(now_ms, wear)
        self.sampled += 1
        # Counted from the epoch: a device does not restart because its simulation does.
        seq = int(self._due_ms[n] / self._interval_ms)
        body = Body(
            event_id=f"{machine.device_id}-{now_ms}",
            event_time=now_ms,
            metrics=metrics,
            device_id=machine.device_id if self._name_device else None,
            location=location,
            attributes={"seq": str(seq)},
        )
        return Message(machine.device_id, now_ms, msgspec.json.encode(body))

    def _broken(self, now_ms: int) -> Message:
        self._malformed_due_ms = now_ms + self._malformed_every_ms
        self._malformed += 1
        device_id = self._machines[self._malformed % len(self._machines)].device_id
        return malformed(self._malformed, device_id, now_ms, name_device=self._name_device)
