"""MQTT: `t/{tenant}/{device}/telemetry`, QoS 1; PUBACK leaves only when Kafka has the payload.

Beside it, at QoS 0, what tells of connections (ingest/gateway/signals.py): a broker queues nothing of
QoS 0 for a gateway that is away, and a signal that comes late would only mislead.
"""

import logging
import select
import signal
import time
from collections import deque
from functools import lru_cache
from socket import socket
from typing import Any, NamedTuple, cast

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from ingest.gateway.buffered_socket import BufferedSocket
from ingest.gateway.edge import ID, MAX_PAYLOAD_BYTES
from ingest.gateway.intake import Delivery, Intake
from ingest.gateway.normalise import Envelope, Rejection
from ingest.gateway.protocol import Protocol
from ingest.gateway.reasons import Reason
from ingest.gateway.signals import NOTICE_TOPIC, STATUS_SUBSCRIPTION, Signals, status_speaker
from millrace.errors import MillraceError
from millrace.secrets import load_secrets
from millrace.services.mosquitto import MISTAKEN_WORDS
from millrace.settings import Settings

SUBSCRIPTIONS = tuple(
    f"$share/gateway/t/+{place}"
    # Beside telemetry what a device may write by mistake: it becomes a dead letter.
    for place in ("/+/telemetry", "", "/+", *(f"/+/{word}" for word in MISTAKEN_WORDS), "/+/+/+/#")
)
RECEIVE_MAXIMUM = 2_000
SESSION_EXPIRY_S = 7 * 24 * 3600
KEEPALIVE_S = 30
DRAIN_S = 10.0
_LONGEST_PAUSE_S = 5.0
_PAUSE_AFTER_REFUSAL_S = 1.0
_IDLE_S = 0.1
# While Kafka owes answers the loop looks for them this often.
_BUSY_S = 0.001
_PACKETS_PER_TURN = 500
_log = logging.getLogger(__name__)


class Address(NamedTuple):
    """Who speaks on a topic."""

    tenant: str
    device_id: str


class _Unacknowledged(NamedTuple):
    mid: int
    delivery: Delivery


@lru_cache(maxsize=65_536)
def parse_topic(topic: str) -> Address | None:
    """Return who speaks on `t/{tenant}/{device}/telemetry`, or None for any other topic."""
    parts = topic.split("/")
    if len(parts) != 4 or (parts[0], parts[3]) != ("t", "telemetry") or not ID.match(parts[1]):
        return None
    return Address(parts[1], parts[2])


class _BufferedClient(Client):
    """paho reads a packet in four system calls and writes one at a time; this makes both a few per batch."""

    def _create_socket(self) -> Any:
        return BufferedSocket(cast(socket, super()._create_socket()))

    @property
    def connection(self) -> BufferedSocket | None:
        """Return the open connection, or None."""
        return cast(BufferedSocket | None, self.socket())


def _connect_properties() -> Properties:
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.SessionExpiryInterval = SESSION_EXPIRY_S
    properties.ReceiveMaximum = RECEIVE_MAXIMUM
    return properties


class MqttGateway:
    """One persistent session: reads, hands over, acknowledges in order, all in one thread."""

    def __init__(self, intake: Intake, settings: Settings, instance: int) -> None:
        self._intake = intake
        self._signals = Signals(intake.log, intake.now_ms, load_secrets(settings).tenant_tokens)
        # The broker tells its notices to each subscriber: one of the gateways is enough.
        self._hears_notices = instance == 0
        self._unacknowledged: deque[_Unacknowledged] = deque()
        self._lost = False
        self._stopping = False
        self._pause_s = 0.0
        self._client = self._new_client(settings, instance)
        self._client.connect_async(
            settings.bind_host,
            settings.port("mqtt"),
            KEEPALIVE_S,
            clean_start=False,
            properties=_connect_properties(),
        )

    def _new_client(self, settings: Settings, instance: int) -> _BufferedClient:
        client = _BufferedClient(
            CallbackAPIVersion.VERSION2,
            f"gateway-{instance}",
            protocol=MQTTProtocolVersion.MQTTv5,
            manual_ack=True,
        )
        client.username_pw_set("gateway", load_secrets(settings).mqtt_gateway.get_secret_value())
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        # Without this paho would write each packet by itself, at once.
        client.on_socket_register_write = _leave_to_the_loop
        return client

    def stop(self, *_signal: object) -> None:
        """Finish what is in flight, then leave `run`."""
        self._stopping = True

    def run(self) -> None:
        """Serve until `stop`; raises MillraceError when Kafka's client cannot go on."""
        while not self._stopping:
            self._check_log()
            connection = self._client.connection
            if connection is None:
                self._reconnect()
            else:
                self._turn(connection)
        self._drain()

    def _check_log(self) -> None:
        failure = self._intake.log.failure()
        if failure:
            raise MillraceError(f"Kafka's client cannot go on: {failure}", mend="Start this process again.")

    def _reconnect(self) -> None:
        self._unacknowledged.clear()
        self._lost = False
        self._rest(self._pause_s)
        self._pause_s = min(max(2 * self._pause_s, 0.1), _LONGEST_PAUSE_S)
        try:
            self._client.reconnect()
        except OSError as error:
            _log.warning("mqtt_unreachable error=%s next_try_s=%.1f", error, self._pause_s)

    def _rest(self, pause_s: float) -> None:
        until_s = time.monotonic() + pause_s
        while not self._stopping and time.monotonic() < until_s:
            self._intake.log.poll(_IDLE_S)

    def _turn(self, connection: BufferedSocket) -> None:
        reading = self._intake.log.has_room()
        unread = reading and connection.pending() > 0
        wait_s = 0.0 if unread else _BUSY_S if self._intake.log.pending() else _IDLE_S
        readable, _, _ = select.select([connection] if reading else [], [], [], wait_s)
        if readable or unread:
            self._read(connection)
        self._answer(connection)
        self._signals.release()
        self._client.loop_misc()

    def _read(self, connection: BufferedSocket) -> None:
        for _ in range(_PACKETS_PER_TURN):
            self._client.loop_read()
            if self._client.connection is not connection or not connection.pending():
                return

    def _answer(self, connection: BufferedSocket) -> None:
        self._intake.log.poll(0)
        if self._lost:
            # Only a new connection makes the broker send again what Kafka refused.
            self._pause_s = _PAUSE_AFTER_REFUSAL_S
            self._client.disconnect()
            self._client.loop_write()
            return
        self._acknowledge()
        self._write(connection)

    def _acknowledge(self) -> None:
        waiting = self._unacknowledged
        while waiting and waiting[0].delivery.stored:
            self._client.ack(waiting.popleft().mid, 1)

    def _write(self, connection: BufferedSocket) -> None:
        if self._client.want_write():
            self._client.loop_write()
        if self._client.connection is connection and connection.unsent():
            try:
                connection.flush()
            except OSError as error:
                _log.warning("mqtt_write_failed error=%s", error)
                self._client.loop_read()

    def _drain(self) -> None:
        until_s = time.monotonic() + DRAIN_S
        while self._unacknowledged and not self._lost and time.monotonic() < until_s:
            connection = self._client.connection
            if connection is None:
                break
            self._intake.log.poll(_BUSY_S)
            self._answer(connection)
        self._client.disconnect()
        self._client.loop_write()

    def _on_connect(
        self, client: Client, _userdata: object, flags: Any, reason: Any, _properties: Any
    ) -> None:
        if reason.is_failure:
            _log.error("mqtt_refused reason=%s", reason)
            return
        self._pause_s = 0.0
        _log.info("mqtt_connected session_present=%s", flags.session_present)
        client.subscribe([(subscription, SubscribeOptions(qos=1)) for subscription in SUBSCRIPTIONS])
        client.subscribe(STATUS_SUBSCRIPTION, qos=0)
        if self._hears_notices:
            client.subscribe(NOTICE_TOPIC, qos=0)

    def _on_disconnect(self, _client: Client, _userdata: object, _flags: Any, reason: Any, _: Any) -> None:
        self._signals.forget()
        _log.warning("mqtt_disconnected reason=%s unacknowledged=%d", reason, len(self._unacknowledged))

    def _on_message(self, _client: Client, _userdata: object, message: MQTTMessage) -> None:
        topic, payload = message.topic, bytes(message.payload)
        if self._signals.take(topic, payload, stored=bool(message.retain)):
            return
        delivery = self._deliver(topic, payload)
        if message.qos:
            self._unacknowledged.append(_Unacknowledged(message.mid, delivery))

    def _deliver(self, topic: str, payload: bytes) -> Delivery:
        speaker = parse_topic(topic)
        status_of = None if speaker else status_speaker(topic)
        if status_of is not None:
            speaker = Address(*status_of)
        envelope = Envelope(
            source=PROTOCOL.name,
            address=topic,
            tenant=speaker.tenant if speaker else _tenant_of(topic),
            device_id=speaker.device_id if speaker else None,
            received_at=self._intake.now_ms(),
        )
        if status_of is not None or speaker is None:
            refused = _refusal(topic, payload, is_status=status_of is not None)
            return self._intake.deliver([refused], len(payload), envelope, self._on_answered)
        return self._intake.take(payload, envelope, self._on_answered)

    def _on_answered(self, delivery: Delivery) -> None:
        if delivery.error:
            _log.error("kafka_refused error=%s", delivery.error)
            self._lost = True


def _tenant_of(topic: str) -> str:
    """Return the tenant of any topic; the broker lets each write below its own name only."""
    first, _, rest = topic.partition("/")
    tenant = rest.partition("/")[0]
    return tenant if first == "t" and ID.match(tenant) else ""


def _refusal(topic: str, payload: bytes, *, is_status: bool) -> Rejection:
    kept = payload[:MAX_PAYLOAD_BYTES]
    if not is_status:
        return Rejection(reason=Reason.BAD_ADDRESS, detail=topic, original=kept)
    said = repr(payload[:40].decode(errors="backslashreplace")) if payload else "nothing"
    detail = f"{said} says neither online nor offline"
    return Rejection(reason=Reason.BAD_STATUS, detail=detail, original=kept)


def _leave_to_the_loop(_client: Client, _userdata: object, _socket: object) -> None:
    return


def run(intake: Intake, settings: Settings, instance: int) -> None:
    """Serve MQTT until SIGTERM."""
    gateway = MqttGateway(intake, settings, instance)
    signal.signal(signal.SIGTERM, gateway.stop)
    signal.signal(signal.SIGINT, gateway.stop)
    gateway.run()


PROTOCOL = Protocol(name="mqtt", metrics_offset=0, give_up_ms=0, run=run)
