"""Readiness probes: each asks the service itself, not only its port. False means not yet."""

import json
import socket
import struct
import urllib.error
import urllib.request
from typing import Any

from millrace.secrets import load_secrets
from millrace.settings import Settings

_TIMEOUT_S = 2.0
_METADATA_KEY, _METADATA_VERSION = 3, 8
_NO_TOPICS = struct.pack(">i???", 0, False, False, False)


def connect(settings: Settings, port_name: str) -> socket.socket:
    """Open a connection to one of the stack's ports; OSError when nobody listens."""
    return socket.create_connection((settings.bind_host, settings.port(port_name)), timeout=_TIMEOUT_S)


def port_answers(settings: Settings, port_name: str) -> bool:
    """Tell whether somebody listens on a port."""
    try:
        connect(settings, port_name).close()
    except OSError:
        return False
    return True


def http_json(settings: Settings, port_name: str, path: str) -> Any:
    """Return the JSON of a 200 answer, or None."""
    body = _get(settings, port_name, path)
    try:
        return json.loads(body) if body else None
    except ValueError:
        return None


def http_answers(settings: Settings, port_name: str, path: str) -> bool:
    """Tell whether a path answers at all, whatever its status."""
    return _get(settings, port_name, path) is not None


def _get(settings: Settings, port_name: str, path: str) -> bytes | None:
    try:
        with urllib.request.urlopen(
            f"http://{settings.address(port_name)}{path}", timeout=_TIMEOUT_S
        ) as reply:
            return bytes(reply.read())
    except urllib.error.HTTPError as error:
        return error.read() or b" "
    except OSError:
        return None


def redis_answers(settings: Settings) -> bool:
    """Log in to Redis and ask PING; false while it loads its data."""
    password = load_secrets(settings).redis.get_secret_value()
    try:
        with connect(settings, "redis") as link:
            link.sendall(f"AUTH {password}\r\nPING\r\n".encode())
            return b"+PONG" in _read_until(link, b"PONG\r\n")
    except OSError:
        return False


def _read_until(link: socket.socket, end: bytes) -> bytes:
    received = b""
    while not received.endswith(end) and b"-" not in received[:1]:
        chunk = link.recv(4096)
        if not chunk:
            break
        received += chunk
    return received


def postgres_answers(settings: Settings, database: str) -> bool:
    """Log in to PostgreSQL and ask SELECT 1."""
    import psycopg

    try:
        with psycopg.connect(
            host=settings.bind_host,
            port=settings.port("postgres"),
            user="millrace",
            password=load_secrets(settings).postgres.get_secret_value(),
            dbname=database,
            connect_timeout=2,
        ) as link:
            return link.execute("SELECT 1").fetchone() == (1,)
    except psycopg.Error:
        return False


def kafka_answers(settings: Settings) -> bool:
    """Ask the broker for its metadata; true once it lists at least one broker."""
    client = b"millrace"
    request = struct.pack(">hhih", _METADATA_KEY, _METADATA_VERSION, 1, len(client)) + client + _NO_TOPICS
    try:
        with connect(settings, "kafka") as link:
            link.sendall(struct.pack(">i", len(request)) + request)
            reply = _receive(link, 4 + 4 + 4 + 4)
            _, _, _, brokers = struct.unpack(">iiii", reply)
            return int(brokers) > 0
    except (OSError, struct.error):
        return False


def _receive(link: socket.socket, count: int) -> bytes:
    received = b""
    while len(received) < count:
        chunk = link.recv(count - len(received))
        if not chunk:
            raise ConnectionError("closed before the answer was complete")
        received += chunk
    return received


def mqtt_answers(settings: Settings, user: str, password: str) -> bool:
    """Log in to the MQTT broker (3.1.1); true when it accepts."""
    fields = (b"millrace-probe", user.encode(), password.encode())
    body = b"\x00\x04MQTT\x04\xc2\x00\x0a" + b"".join(struct.pack(">H", len(f)) + f for f in fields)
    try:
        with connect(settings, "mqtt") as link:
            link.sendall(b"\x10" + bytes([len(body)]) + body)
            accepted = _receive(link, 4) == b"\x20\x02\x00\x00"
            link.sendall(b"\xe0\x00")
            return accepted
    except OSError:
        return False
