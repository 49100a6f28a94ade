"""The Reading: one message of one device, and its Avro form on the `telemetry` topic."""

import struct
from collections.abc import Iterator
from functools import lru_cache
from hashlib import blake2b
from io import BytesIO
from typing import Any, Final

import msgspec
from fastavro import schemaless_reader

from millrace.contracts import avro_schema

# Event ids that were made from the content of a reading, not by its device.
CONTENT_ID: Final = "content-"
# What a reading may declare of a conflict with another value for its device, time and metric.
DECLARED: Final = ("keep", "replace")
# The key of the clock's marks, which are of no tenant and no device, on topics that hold other records too.
MARK_KEY: Final = b"/"


class Location(msgspec.Struct, frozen=True, kw_only=True):
    """A WGS 84 position; latitude and longitude in degrees, altitude in metres."""

    lat: float
    lon: float
    alt_m: float | None = None


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """One accepted message; times are UTC epoch milliseconds, units stand in metric names."""

    tenant: str
    device_id: str
    event_id: str
    event_time: int
    metrics: dict[str, float]
    location: Location | None = None
    attributes: dict[str, str] | None = None
    received_at: int
    source: str

    @property
    def key(self) -> bytes:
        """The Kafka key: readings of one device stay in order."""
        return f"{self.tenant}/{self.device_id}".encode()


def encode(reading: Reading) -> bytes:
    """Encode a reading as schemaless Avro (see `schemas/avro/telemetry.avsc`).

    Written out by hand, field by field in schema order: a third of fastavro's time, and the gateway
    does it for every reading. A test holds it equal to fastavro under the schema.
    """
    return b"".join(
        (
            _known_text(reading.tenant),
            _text(reading.device_id),
            _text(reading.event_id),
            _long(reading.event_time),
            _metrics(reading.metrics),
            _location(reading.location),
            _attributes(reading.attributes),
            _long(reading.received_at),
            _known_text(reading.source),
        )
    )


def decode(payload: bytes) -> Reading:
    """Decode schemaless Avro into a reading; times come back as epoch milliseconds."""
    fields: Any = schemaless_reader(BytesIO(payload), avro_schema("telemetry"), None)
    return msgspec.convert(
        fields | {name: round(fields[name].timestamp() * 1000) for name in ("event_time", "received_at")},
        Reading,
    )


def _long(value: int) -> bytes:
    rest = (value << 1) ^ (value >> 63)
    out = bytearray()
    while rest > 0x7F:
        out.append(rest & 0x7F | 0x80)
        rest >>= 7
    out.append(rest)
    return bytes(out)


_SHORT = [_long(length) for length in range(2048)]


def _length(length: int) -> bytes:
    return _SHORT[length] if length < len(_SHORT) else _long(length)


def _text(value: str) -> bytes:
    encoded = value.encode()
    return _length(len(encoded)) + encoded


_known_text = lru_cache(maxsize=16_384)(_text)
_double = struct.Struct("<d").pack
_NULL, _PRESENT, _END = b"\x00", b"\x02", b"\x00"


def _metrics(metrics: dict[str, float]) -> bytes:
    if not metrics:
        return _END
    parts = [_length(len(metrics))]
    for name, value in metrics.items():
        parts += (_known_text(name), _double(value))
    return b"".join((*parts, _END))


def _location(location: Location | None) -> bytes:
    if location is None:
        return _NULL
    altitude = _NULL if location.alt_m is None else _PRESENT + _double(location.alt_m)
    return b"".join((_PRESENT, _PRESENT, _double(location.lat), _PRESENT, _double(location.lon), altitude))


def _attributes(attributes: dict[str, str] | None) -> bytes:
    if attributes is None:
        return _NULL
    if not attributes:
        return _PRESENT + _END
    parts = [_PRESENT, _length(len(attributes))]
    for name, value in attributes.items():
        parts += (_text(name), _text(value))
    return b"".join((*parts, _END))


def content_id(
    event_time: int,
    metrics: dict[str, float],
    location: Location | None = None,
    attributes: dict[str, str] | None = None,
) -> str:
    """Return the event id of a reading whose device gave it none: the same content has the same.

    A hash of canonical bytes (docs/adr/0010-identity-comes-from-content.md): event time in milliseconds,
    names in order, values as IEEE 754 doubles with -0.0 as 0.0. Tenant and device stand beside it.
    """
    content = b"".join(_canonical(event_time, metrics, location, attributes))
    return CONTENT_ID + blake2b(content, digest_size=16).hexdigest()


def declared_source(source: str, on_conflict: str | None) -> str:
    """Return what `source` says of a reading: the protocol, behind what it declares for a conflict.

    `both` is what happens to a reading that declares nothing, so it is not said.
    """
    return f"{on_conflict}:{source}" if on_conflict in DECLARED else source


_big_double = struct.Struct(">d").pack
_big_long = struct.Struct(">q").pack


def _canonical(
    event_time: int,
    metrics: dict[str, float],
    location: Location | None,
    attributes: dict[str, str] | None,
) -> Iterator[bytes]:
    yield _big_long(event_time)
    for name in sorted(metrics):
        # -0.0 + 0.0 is 0.0.
        yield b"m" + _known_text(name) + _big_double(metrics[name] + 0.0)
    if location is not None:
        yield b"l" + _big_double(location.lat + 0.0) + _big_double(location.lon + 0.0)
        yield b"" if location.alt_m is None else b"h" + _big_double(location.alt_m + 0.0)
    for name in sorted(attributes or ()):
        yield b"a" + _text(name) + _text((attributes or {})[name])


def identity(payload: bytes) -> str:
    """Return `tenant/device_id/event_id` from Avro bytes without decoding the rest."""
    texts, place = [], 0
    for _ in range(3):
        length, shift = 0, 0
        while True:
            byte = payload[place]
            place += 1
            length |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        length >>= 1
        texts.append(payload[place : place + length].decode())
        place += length
    return "/".join(texts)
