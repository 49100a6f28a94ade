"""The gateway's account: which offsets Kafka acknowledged to this process, told to `gateway-accounts`.

Ranges of offsets, not counts by device: a producer's batches lie in one piece, so a process that writes
alone tells one range per partition and second, whatever the number of devices; the row at an offset
knows its device. What a killed process had not told yet is at most the last second.
"""

from collections.abc import Callable
from io import BytesIO
from typing import NamedTuple

from fastavro import schemaless_writer

from ingest.gateway.producer import Log, OnPlace
from millrace.contracts import avro_schema

TOPIC = "gateway-accounts"
TELL_EVERY_MS = 1_000
_MINUTE_MS = 60_000


class Run(NamedTuple):
    """Offsets of one partition without a gap, all received in one minute; `reason` is empty for readings."""

    partition: int
    minute: int
    first: int
    last: int
    reason: str = ""


class Runs:
    """Collects places into runs; places of a partition come in order."""

    def __init__(self) -> None:
        self._closed: list[Run] = []
        self._open: dict[int, _OpenRun] = {}

    def add(self, partition: int, offset: int, minute: int, reason: str) -> None:
        """Take one message; an unknown place (negative offset) is left out."""
        run = self._open.get(partition)
        if run and run.last + 1 == offset and run.minute == minute and run.reason == reason:
            run.last = offset
        elif offset >= 0:
            self._close(partition)
            self._open[partition] = _OpenRun(minute, offset, reason)

    def take(self) -> list[Run]:
        """Return everything collected and begin anew."""
        for partition in list(self._open):
            self._close(partition)
        taken, self._closed = self._closed, []
        return taken

    def _close(self, partition: int) -> None:
        run = self._open.pop(partition, None)
        if run:
            self._closed.append(Run(partition, run.minute, run.first, run.last, run.reason))


class _OpenRun:
    __slots__ = ("first", "last", "minute", "reason")

    def __init__(self, minute: int, offset: int, reason: str) -> None:
        self.minute = minute
        self.first = self.last = offset
        self.reason = reason


class Account:
    """What one gateway process has in Kafka; `tell` hands it to the log about once a second."""

    def __init__(self, log: Log, gateway: str, clock: Callable[[], int]) -> None:
        self._log = log
        self._gateway = gateway
        self._clock = clock
        self._started_at = self._told_at = clock()
        self._sequence = 0
        self._readings, self._dead_letters = Runs(), Runs()

    def reading(self, received_at: int) -> OnPlace:
        """Return who is told the place of a reading received then."""
        return self._placing(self._readings, received_at, "")

    def dead_letter(self, received_at: int, reason: str) -> OnPlace:
        """Return who is told the place of a dead letter."""
        return self._placing(self._dead_letters, received_at, reason)

    def tell(self, now: bool = False) -> None:
        """Hand what came since the last time to the log: once a second, or `now`."""
        now_ms = self._clock()
        if not now and now_ms - self._told_at < TELL_EVERY_MS:
            return
        self._told_at = now_ms
        readings, dead_letters = self._readings.take(), self._dead_letters.take()
        if readings or dead_letters:
            self._produce(self._encoded(now_ms, readings, dead_letters))

    def _placing(self, runs: Runs, received_at: int, reason: str) -> OnPlace:
        minute = received_at // _MINUTE_MS
        return lambda partition, offset: runs.add(partition, offset, minute, reason)

    def _encoded(self, now_ms: int, readings: list[Run], dead_letters: list[Run]) -> bytes:
        buffer = BytesIO()
        fields = {
            "gateway": self._gateway,
            "started_at": self._started_at,
            "sequence": self._sequence,
            "counted_at": now_ms,
            "readings": [run._asdict() for run in readings],
            "dead_letters": [run._asdict() for run in dead_letters],
        }
        schemaless_writer(buffer, avro_schema(TOPIC), fields)
        self._sequence += 1
        return buffer.getvalue()

    def _produce(self, encoded: bytes) -> None:
        def answered(error: str | None) -> None:
            # Telling it twice changes nothing: an account counts once by its sequence.
            if error and not self._log.failure():
                self._produce(encoded)

        self._log.produce(TOPIC, None, encoded, answered)
