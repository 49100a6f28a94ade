"""Moves messages into a sender: in order, at a pace, with a bounded number in flight."""

import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

from ingest.replay.message import Message
from ingest.replay.timeline import due_s
from ingest.replay.way import Sender

_REPORT_EVERY_S = 0.25


class Progress(NamedTuple):
    """Where a replay stands."""

    sent: int
    acknowledged: int
    in_flight: int
    refused: int
    elapsed_s: float


class Driver:
    """Sends a stream of messages; `speed` None means as fast as acknowledged."""

    def __init__(
        self,
        sender: Sender,
        *,
        speed: float | None,
        give_up_after_s: float,
        report: Callable[[Progress], None],
    ) -> None:
        self._sender = sender
        self._speed = speed
        self._give_up_after_s = give_up_after_s
        self._report = report
        self._sent = 0
        self._began = self._moved_at = self._reported_at = time.monotonic()
        self._settled = 0
        self.stalled = False

    def run(self, messages: Iterable[Message]) -> Progress:
        """Send everything and wait for the acknowledgements; stops early when nothing moves any more."""
        first_ms: int | None = None
        for message in messages:
            if self._speed is not None:
                first_ms = message.event_time if first_ms is None else first_ms
                self._wait_until(self._began + due_s(message.event_time, first_ms, self._speed))
            if self._sender.in_flight >= self._sender.window and not self._drain(self._sender.window // 2):
                return self._progress()
            self._sender.send(message)
            self._sent += 1
        self._drain(0)
        self._report(self._progress())
        return self._progress()

    def _wait_until(self, due: float) -> None:
        while (left := due - time.monotonic()) > 0:
            self._step(min(left, 0.1))

    def _drain(self, down_to: int) -> bool:
        self._moved_at = time.monotonic()
        while self._sender.in_flight > down_to:
            self._step(0.05)
            if self.stalled:
                return False
        return True

    def _step(self, timeout_s: float) -> None:
        self._sender.poll(timeout_s)
        now = time.monotonic()
        settled = self._sender.acknowledged + self._sender.refused
        if settled != self._settled or not self._sender.in_flight:
            self._settled, self._moved_at = settled, now
        self.stalled = now - self._moved_at > self._give_up_after_s
        if now - self._reported_at > _REPORT_EVERY_S:
            self._reported_at = now
            self._report(self._progress())

    def _progress(self) -> Progress:
        sender = self._sender
        elapsed_s = time.monotonic() - self._began
        return Progress(self._sent, sender.acknowledged, sender.in_flight, sender.refused, elapsed_s)
