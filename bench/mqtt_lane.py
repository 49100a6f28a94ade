"""One MQTT 3.1.1 connection that publishes at QoS 1 and costs next to nothing: a load must not be one itself.

A client library takes 100 to 200 us a message, most of it for handing threads the lock of the interpreter;
beside what is measured on the same two cores that would be the largest part.
"""

import socket
import struct
import time
from itertools import cycle
from typing import Final

from millrace.errors import MillraceError
from millrace.secrets import load_secrets
from millrace.settings import Settings

# MQTT 3.1.1, sections 3.1 to 3.4.
_CONNECT: Final = b"\x00\x04MQTT\x04\xc2\x00\x3c"
_CONNACK: Final = b"\x20\x02\x00\x00"
_PUBLISH_QOS1: Final = 0x32
_PUBACK_BYTES: Final = 4
_PIECE: Final = 65_536
_PATIENCE_S: Final = 60.0


class MqttLane:
    """Publishes as the tenant of the stack; what the broker did not take yet is `unacknowledged`."""

    def __init__(self, settings: Settings) -> None:
        tenant = settings.tenant
        token = load_secrets(settings).tenant_token(tenant)
        self._ids = cycle(range(1, 65_536))
        self._unsent = bytearray()
        self._sent = self._answered_bytes = 0
        self._socket = socket.create_connection((settings.bind_host, settings.port("mqtt")), 10)
        named = b"".join(_text(text) for text in (f"bench-{time.time_ns():x}", tenant, token))
        self._socket.sendall(_packet(0x10, _CONNECT + named))
        if self._socket.recv(4) != _CONNACK:
            raise MillraceError("the MQTT broker does not let us in", where="mqtt", mend="See its log.")
        self._socket.setblocking(False)

    @property
    def unacknowledged(self) -> int:
        """Return how many messages the broker has not acknowledged."""
        return self._sent - self._answered_bytes // _PUBACK_BYTES

    def publish(self, topic: str, payload: str) -> None:
        """Keep a message for the next `turn`."""
        body = _text(topic) + struct.pack(">H", next(self._ids)) + payload.encode()
        self._unsent += _packet(_PUBLISH_QOS1, body)
        self._sent += 1

    def turn(self) -> None:
        """Send what the network takes, count what the broker answered."""
        try:
            while self._unsent:
                del self._unsent[: self._socket.send(self._unsent)]
        except BlockingIOError:
            pass
        try:
            while piece := self._socket.recv(_PIECE):
                self._answered_bytes += len(piece)
        except BlockingIOError:
            pass

    def close(self) -> None:
        """Wait until the broker has everything; MillraceError when it does not come to that."""
        until_s = time.monotonic() + _PATIENCE_S
        while self.unacknowledged:
            if time.monotonic() > until_s:
                raise MillraceError(f"{self.unacknowledged} messages are not acknowledged", where="mqtt")
            self.turn()
            time.sleep(0.01)
        self._socket.sendall(_packet(0xE0, b""))
        self._socket.close()


def _text(text: str) -> bytes:
    return struct.pack(">H", len(text.encode())) + text.encode()


def _packet(kind: int, body: bytes) -> bytes:
    length, left = bytearray(), len(body)
    while True:
        left, low = divmod(left, 128)
        length.append(low | (0x80 if left else 0))
        if not left:
            return bytes([kind]) + bytes(length) + body
