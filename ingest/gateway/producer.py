"""The thin edge to Kafka: idempotent, acks=all, bounded, and never dropping."""

import logging
from collections.abc import Callable
from typing import Any, Protocol

from confluent_kafka import KafkaError, KafkaException, Message, Producer

OnAck = Callable[[str | None], None]
OnPlace = Callable[[int, int], None]
_log = logging.getLogger(__name__)

ROOM_MESSAGES = 50_000
ROOM_BYTES = 64 * 1024 * 1024


class Log(Protocol):
    """What the gateway needs of the log; `on_ack` gets None, or why the message is not stored.

    `on_place` gets partition and offset of a message that is stored, before `on_ack`.
    """

    def produce(
        self, topic: str, key: bytes | None, value: bytes, on_ack: OnAck, on_place: OnPlace | None = None
    ) -> None:
        """Hand over one message; `on_ack` is called once, from `poll` or `flush`."""

    def poll(self, timeout_s: float) -> int:
        """Call back what the broker has answered and return how many answers that was."""

    def flush(self, timeout_s: float) -> int:
        """Wait for all answers and return how many are still missing."""

    def has_room(self) -> bool:
        """Tell whether a reader may go on reading; one payload more always fits."""

    def pending(self) -> int:
        """Return how many messages wait for an answer."""

    def failure(self) -> str | None:
        """Return why this log can never store anything again, or None."""


def producer_config(brokers: str, give_up_ms: int) -> dict[str, Any]:
    """Return librdkafka's settings; `give_up_ms` 0 means a message waits for Kafka without end."""
    return {
        "bootstrap.servers": brokers,
        "acks": "all",
        "enable.idempotence": True,
        # A request costs a broker much the same whatever is in it; who waits for an acknowledgement does not
        # notice, since it sends on meanwhile.
        "linger.ms": 20,
        "compression.type": "lz4",
        # The same hash as Java and kafka-python: a device keeps its partition whoever writes.
        "partitioner": "murmur2_random",
        "message.timeout.ms": give_up_ms,
        "queue.buffering.max.messages": 4 * ROOM_MESSAGES,
        "queue.buffering.max.kbytes": 4 * ROOM_BYTES // 1024,
        "allow.auto.create.topics": False,
        "reconnect.backoff.max.ms": 2_000,
        "socket.keepalive.enable": True,
    }


class KafkaLog:
    """`Log` on confluent-kafka; not for several threads."""

    def __init__(self, brokers: str, give_up_ms: int) -> None:
        self._failure: str | None = None
        self._pending_bytes = 0
        self._attendant: Callable[[], None] = _nobody
        config = producer_config(brokers, give_up_ms)
        self._producer = Producer({**config, "error_cb": self._on_error, "logger": _log})

    def attend(self, attendant: Callable[[], None]) -> None:
        """Call `attendant` at the end of each `poll`."""
        self._attendant = attendant

    def produce(
        self, topic: str, key: bytes | None, value: bytes, on_ack: OnAck, on_place: OnPlace | None = None
    ) -> None:
        """Hand over one message; waits while the queue is full."""
        size = len(value)

        def answered(error: KafkaError | None, message: Message) -> None:
            self._pending_bytes -= size
            if error is not None:
                on_ack(error.str())
                return
            if on_place:
                on_place(int(message.partition() or 0), _offset(message))
            on_ack(None)

        self._pending_bytes += size
        try:
            self._hand_over(topic, key, value, answered)
        except KafkaException as error:
            self._pending_bytes -= size
            on_ack(str(error))

    def _hand_over(self, topic: str, key: bytes | None, value: bytes, answered: Any) -> None:
        while True:
            try:
                self._producer.produce(topic, value, key, on_delivery=answered)
            except BufferError:
                self._producer.poll(0.05)
            else:
                return

    def poll(self, timeout_s: float) -> int:
        """Call back what the broker has answered."""
        answers = int(self._producer.poll(timeout_s))
        self._attendant()
        return answers

    def flush(self, timeout_s: float) -> int:
        """Wait for all answers and return how many are still missing."""
        return int(self._producer.flush(timeout_s))

    def has_room(self) -> bool:
        """Tell whether a reader may go on reading."""
        return self.pending() < ROOM_MESSAGES and self._pending_bytes < ROOM_BYTES

    def pending(self) -> int:
        """Return how many messages wait for an answer."""
        return len(self._producer)

    def failure(self) -> str | None:
        """Return librdkafka's fatal error, if any: only a new process gets over it."""
        return self._failure

    def _on_error(self, error: KafkaError) -> None:
        if error.fatal():
            self._failure = error.str()
        _log.warning("kafka_error code=%s text=%s", error.name(), error.str())


def _nobody() -> None:
    return


def _offset(message: Message) -> int:
    # None or negative: Kafka had the message already from an attempt whose answer was lost.
    offset = message.offset()
    return -1 if offset is None else int(offset)
