"""The Reading: one message of one device, and its Avro form on the `telemetry` topic."""

from io import BytesIO
from typing import Any

import msgspec
from fastavro import schemaless_reader, schemaless_writer

from millrace.contracts import avro_schema


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
    """Encode a reading as schemaless Avro (see `schemas/avro/telemetry.avsc`)."""
    buffer = BytesIO()
    schemaless_writer(buffer, avro_schema("telemetry"), msgspec.structs.asdict(reading) | _nested(reading))
    return buffer.getvalue()


def decode(payload: bytes) -> Reading:
    """Decode schemaless Avro into a reading; times come back as epoch milliseconds."""
    fields: Any = schemaless_reader(BytesIO(payload), avro_schema("telemetry"), None)
    return msgspec.convert(
        fields
        | {name: round(fields[name].timestamp() * 1000) for name in ("event_time", "received_at")},
        Reading,
    )


def _nested(reading: Reading) -> dict[str, Any]:
    return {"location": reading.location and msgspec.structs.asdict(reading.location)}
