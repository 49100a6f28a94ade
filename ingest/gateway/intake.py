"""The way of one payload: normalise, hand every part to the log, tell when all of it is stored."""

from collections.abc import Callable

from ingest.gateway.account import Account
from ingest.gateway.dead_letter import TOPIC as DEAD_LETTERS
from ingest.gateway.dead_letter import dead_letter_key, encode_dead_letter
from ingest.gateway.event_time import ZoneOf, no_zone
from ingest.gateway.metrics import GatewayMetrics
from ingest.gateway.normalise import Envelope, Rejection, normalise
from ingest.gateway.producer import Log
from millrace.reading import Reading, encode

TELEMETRY = "telemetry"
Parts = list[Reading | Rejection]


class Delivery:
    """One payload on its way to Kafka; `done` is called once, when the last part is answered."""

    __slots__ = ("_done", "_left", "accepted", "error", "rejections")

    def __init__(self, parts: Parts, done: "OnDone") -> None:
        self.rejections = [part for part in parts if isinstance(part, Rejection)]
        self.accepted = len(parts) - len(self.rejections)
        self.error: str | None = None
        self._left = len(parts)
        self._done = done

    @property
    def stored(self) -> bool:
        """Tell whether Kafka has every part."""
        return self._left == 0 and self.error is None

    def answer(self, error: str | None) -> None:
        """Take Kafka's answer for one part: None, or why it is not stored."""
        self._left -= 1
        self.error = self.error or error
        if self._left == 0:
            self._done(self)


OnDone = Callable[[Delivery], None]


class Intake:
    """Takes payloads for one protocol; the protocol acknowledges when a delivery is stored."""

    def __init__(
        self,
        log: Log,
        metrics: GatewayMetrics,
        clock: Callable[[], int],
        account: Account | None = None,
        zone_of: ZoneOf = no_zone,
    ) -> None:
        self.log = log
        self.now_ms = clock
        self._metrics = metrics
        self._account = account
        self._zone_of = zone_of

    def judge(self, payload: bytes, envelope: Envelope) -> Parts:
        """Validate a payload and hand nothing to the log."""
        return normalise(payload, envelope, envelope.received_at, self._zone_of)

    def take(self, payload: bytes, envelope: Envelope, done: OnDone) -> Delivery:
        """Validate a payload and hand all of it to the log, good and bad."""
        return self.deliver(self.judge(payload, envelope), len(payload), envelope, done)

    def deliver(self, parts: Parts, size_bytes: int, envelope: Envelope, done: OnDone) -> Delivery:
        """Hand readings and rejections to the log; never returns with one of them dropped."""

        def answered(delivery: Delivery) -> None:
            self._count(delivery, envelope.received_at)
            done(delivery)

        self._metrics.received(size_bytes)
        delivery = Delivery(parts, answered)
        placed = self._account.reading(envelope.received_at) if self._account else None
        for part in parts:
            if isinstance(part, Reading):
                self.log.produce(TELEMETRY, part.key, encode(part), delivery.answer, placed)
            else:
                self._refuse(part, envelope, delivery)
        return delivery

    def _count(self, delivery: Delivery, received_at: int) -> None:
        if delivery.stored:
            waited_s = (self.now_ms() - received_at) / 1000
            self._metrics.stored(delivery.accepted, delivery.rejections, waited_s)
        else:
            self._metrics.unstored()

    def _refuse(self, part: Rejection, envelope: Envelope, delivery: Delivery) -> None:
        reason = part.reason.value
        placed = self._account.dead_letter(envelope.received_at, reason) if self._account else None
        encoded = encode_dead_letter(part, envelope)
        self.log.produce(DEAD_LETTERS, dead_letter_key(part, envelope), encoded, delivery.answer, placed)
