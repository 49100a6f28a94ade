"""MQTT 5, QoS 1, one client; reconnects for ever and resends what was not acknowledged.

A client that is one device tells its status too: online when it connects, goodbye before it leaves,
offline as its last will.
"""

import threading
import time
from typing import Any
from uuid import uuid4

from paho.mqtt.client import Client, ConnectFlags, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from ingest.replay.message import Message
from ingest.replay.tenant_token import tenant_token
from ingest.replay.way import Way
from millrace.errors import MillraceError
from millrace.settings import Settings

_NO_SUBSCRIBER = 0x10
_REFUSED_FROM = 0x80
_CONNECT_TIMEOUT_S = 30.0
_PAUSE_S = 0.002
_GOODBYE_S = 2.0


class MqttSender:
    """Publishes `t/{tenant}/{device}/telemetry`; a message nobody took is sent again, not counted."""

    def __init__(self, settings: Settings, tenant: str, window: int, device_id: str = "") -> None:
        self.window = self._wanted_window = window
        self.acknowledged = self.refused = 0
        self.refusal = ""
        self._topic_start = f"t/{tenant}/"
        self._client_id = f"{tenant}/{device_id}" if device_id else f"replay-{uuid4().hex[:12]}"
        self._status_topic = f"t/{tenant}/{device_id}/status" if device_id else ""
        self._unacknowledged: dict[int, tuple[str, bytes]] = {}
        self._again: list[tuple[str, bytes]] = []
        # Acknowledgements that overtook the registration of their own message.
        self._early: dict[int, ReasonCode] = {}
        self._lock = threading.Lock()
        self._fault = ""
        self._client = self._connected(settings, tenant)

    @property
    def in_flight(self) -> int:
        """How many messages the broker has not acknowledged."""
        return len(self._unacknowledged) + len(self._again)

    def send(self, message: Message) -> None:
        """Publish one message."""
        self._publish(f"{self._topic_start}{message.device_id}/telemetry", message.payload)

    def poll(self, timeout_s: float) -> None:
        """Let acknowledgements come in; raise MillraceError when the broker no longer lets us in."""
        time.sleep(min(timeout_s, _PAUSE_S) if self.in_flight else timeout_s)
        if self._fault:
            raise _no_connection(self._fault)
        if self._again and self._client.is_connected():
            self._send_again()

    def close(self) -> None:
        """Say goodbye to the broker."""
        if self._status_topic and self._client.is_connected():
            self._client.publish(self._status_topic, b"goodbye", qos=1, retain=True).wait_for_publish(
                _GOODBYE_S
            )
        self._client.disconnect()
        self._client.loop_stop()

    def _send_again(self) -> None:
        # Nobody subscribed yet: give the gateway a moment, then try in the old order.
        time.sleep(0.5)
        with self._lock:
            waiting, self._again = self._again, []
        for topic, payload in waiting:
            self._publish(topic, payload)

    def _publish(self, topic: str, payload: bytes, client: Client | None = None) -> None:
        # The first connection may stand before the constructor has given us its client.
        mid = (client or self._client).publish(topic, payload, qos=1, retain=topic == self._status_topic).mid
        with self._lock:
            self._unacknowledged[mid] = (topic, payload)
            early = self._early.pop(mid, None)
            if early is not None:
                self._settle(mid, early)

    def _settle(self, mid: int, reason: ReasonCode) -> None:
        sent = self._unacknowledged.pop(mid, None)
        if sent is None:
            self._early[mid] = reason
        elif sent[0] == self._status_topic:
            return
        elif reason.value == _NO_SUBSCRIBER:
            self._again.append(sent)
        elif reason.value >= _REFUSED_FROM:
            self.refused += 1
            self.refusal = f"the broker refused {sent[0]}: {reason}"
        else:
            self.acknowledged += 1

    def _connected(self, settings: Settings, tenant: str) -> Client:
        client = Client(CallbackAPIVersion.VERSION2, self._client_id, protocol=MQTTv5)
        client.username_pw_set(tenant, tenant_token(settings, tenant))
        if self._status_topic:
            client.will_set(self._status_topic, b"offline", qos=1, retain=True)
        # paho walks through all of its window at each acknowledgement; ours costs nothing.
        client.max_inflight_messages_set(0)
        client.reconnect_delay_set(min_delay=1, max_delay=5)
        client.on_connect, client.on_publish = self._on_connect, self._on_publish
        client.connect_async(
            settings.bind_host, settings.port("mqtt"), keepalive=30, properties=_session_properties()
        )
        client.loop_start()
        self._wait_connected(client, settings)
        return client

    def _wait_connected(self, client: Client, settings: Settings) -> None:
        give_up = time.monotonic() + _CONNECT_TIMEOUT_S
        while not client.is_connected() and not self._fault and time.monotonic() < give_up:
            time.sleep(0.02)
        if not client.is_connected():
            client.loop_stop()
            raise _no_connection(self._fault or f"nothing answers at {settings.address('mqtt')}")

    def _on_connect(
        self,
        client: Client,
        _data: Any,
        _flags: ConnectFlags,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        if reason.is_failure:
            self._fault = str(reason)
            return
        self._fault = ""
        # A broker that is sent more than it asked for closes the connection.
        limit = getattr(properties, "ReceiveMaximum", None)
        self.window = min(self._wanted_window, limit) if limit else self._wanted_window
        if self._status_topic:
            self._publish(self._status_topic, b"online", client)

    def _on_publish(
        self, _client: Client, _data: Any, mid: int, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        with self._lock:
            self._settle(mid, reason)


def _session_properties() -> Properties:
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.SessionExpiryInterval = 3600
    return properties


def _no_connection(why: str) -> MillraceError:
    return MillraceError(
        f"the MQTT broker does not let us in: {why}", where="mqtt", mend="See `millrace status`."
    )


WAY = Way(MqttSender, window=1_000)
