"""From the bytes a device sent to readings, and to rejections that say why and keep the bytes."""

import re
from uuid import uuid4

import msgspec

from ingest.gateway import edge
from ingest.gateway.diagnose import Fault, diagnose
from ingest.gateway.edge import EdgeReading
from ingest.gateway.reasons import Reason
from ingest.gateway.split import split
from millrace.clock import from_iso
from millrace.reading import Location, Reading, content_id, declared_source

_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)\Z")
_DECODE_ERRORS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """How a payload came: protocol, address, who sent it, when (epoch milliseconds).

    `tenant` is empty when the address names none; `device_id` is None when the payload names it.
    """

    source: str
    address: str
    tenant: str
    device_id: str | None = None
    received_at: int


class Rejection(msgspec.Struct, frozen=True, kw_only=True):
    """What was refused: reason, detail, the bytes as they came, its place in the payload."""

    reason: Reason
    detail: str
    original: bytes
    index: int = 0
    device_id: str | None = None


class _Refused(Exception):  # noqa: N818 - bad input is an ordinary answer here, not an error
    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(reason)
        self.fault = Fault(reason, detail)


def normalise(payload: bytes, envelope: Envelope, now_ms: int) -> list[Reading | Rejection]:
    """Return a reading or a rejection for each element of the payload, in its order."""
    if len(payload) > edge.MAX_PAYLOAD_BYTES:
        return [oversize(payload)]
    if envelope.device_id is not None and not edge.ID.match(envelope.device_id):
        return [Rejection(reason=Reason.BAD_DEVICE_ID, detail="in the address", original=payload)]
    try:
        decoded = edge.decode_payload(payload)
        if isinstance(decoded, EdgeReading):
            return [_reading(decoded, envelope, now_ms)]
        if decoded:
            return [_reading(element, envelope, now_ms) for element in decoded]
    except (*_DECODE_ERRORS, _Refused):
        pass
    return _one_by_one(payload, envelope, now_ms)


def oversize(payload: bytes, what: str = "payload") -> Rejection:
    """Refuse a payload that is too large, keeping its first 256 KiB."""
    kept = payload[: edge.MAX_PAYLOAD_BYTES]
    detail = f"{what} over {edge.MAX_PAYLOAD_BYTES} bytes; the first {len(kept)} bytes are kept"
    return Rejection(reason=Reason.OVERSIZE, detail=detail, original=kept)


def _one_by_one(payload: bytes, envelope: Envelope, now_ms: int) -> list[Reading | Rejection]:
    try:
        elements = split(payload)
    except UnicodeDecodeError as error:
        return [_whole(payload, Reason.NOT_UTF8, f"byte {error.start}: {error.reason}")]
    except RecursionError:
        return [_whole(payload, Reason.MALFORMED_JSON, "nested too deep")]
    except ValueError as error:
        return [_whole(payload, Reason.MALFORMED_JSON, str(error))]
    if not elements:
        return [_whole(payload, Reason.EMPTY_BATCH, Reason.EMPTY_BATCH.about)]
    if len(elements) == 1 and not payload.lstrip().startswith(b"["):
        elements = [payload]
    return [_element(index, element, envelope, now_ms) for index, element in enumerate(elements)]


def _whole(payload: bytes, reason: Reason, detail: str) -> Rejection:
    return Rejection(reason=reason, detail=detail, original=payload)


def _element(index: int, element: bytes, envelope: Envelope, now_ms: int) -> Reading | Rejection:
    decoded: EdgeReading | None = None
    try:
        decoded = edge.decode_element(element)
        return _reading(decoded, envelope, now_ms)
    except _Refused as refused:
        fault = refused.fault
    except _DECODE_ERRORS as error:
        fault = diagnose(element, str(error))
    device_id = decoded.device_id if decoded else None
    return Rejection(
        reason=fault.reason, detail=fault.detail, original=element, index=index, device_id=device_id
    )


def _reading(edge_reading: EdgeReading, envelope: Envelope, now_ms: int) -> Reading:
    place = edge_reading.location
    location = Location(lat=place.lat, lon=place.lon, alt_m=place.alt_m) if place else None
    event_time = _event_time(edge_reading.event_time, envelope.received_at, now_ms)
    return Reading(
        tenant=envelope.tenant,
        device_id=_device_id(edge_reading, envelope),
        event_id=edge_reading.event_id or _event_id(edge_reading, event_time, location),
        event_time=event_time,
        metrics=edge_reading.metrics,
        location=location,
        attributes=edge_reading.attributes,
        received_at=envelope.received_at,
        source=declared_source(envelope.source, edge_reading.on_conflict),
    )


def _device_id(edge_reading: EdgeReading, envelope: Envelope) -> str:
    named, addressed = edge_reading.device_id, envelope.device_id
    if addressed is None:
        if named is None:
            raise _Refused(Reason.MISSING_DEVICE_ID, Reason.MISSING_DEVICE_ID.about)
        return named
    if named is not None and named != addressed:
        raise _Refused(Reason.DEVICE_MISMATCH, f"address says {addressed}, payload says {named}")
    return addressed


def _event_time(value: int | str | None, received_at: int, now_ms: int) -> int:
    if value is None:
        return received_at
    time_ms = _from_text(value) if isinstance(value, str) else value
    if time_ms < edge.OLDEST_EVENT_MS:
        raise _Refused(Reason.BAD_EVENT_TIME, f"{time_ms} ms is before the year 2000")
    if time_ms > now_ms + edge.MAX_AHEAD_MS:
        raise _Refused(Reason.FUTURE_EVENT_TIME, f"{time_ms - now_ms} ms ahead of the gateway's clock")
    return time_ms


def _from_text(text: str) -> int:
    if not _RFC_3339.match(text):
        raise _Refused(Reason.BAD_EVENT_TIME, f"{text[:40]!r} is not RFC 3339 with an offset")
    try:
        return from_iso(text.upper())
    except (ValueError, OverflowError) as error:
        raise _Refused(Reason.BAD_EVENT_TIME, str(error)) from None


def _event_id(edge_reading: EdgeReading, event_time: int, location: Location | None) -> str:
    if edge_reading.event_time is None:
        # Nothing tells it from the next one: a constant value counts each time it is sent.
        return uuid4().hex
    return content_id(event_time, edge_reading.metrics, location, edge_reading.attributes)
