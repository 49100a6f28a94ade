"""From the bytes a device sent to readings, and to rejections that say why and keep the bytes."""

from functools import partial
from uuid import uuid4

import msgspec

from ingest.gateway import edge
from ingest.gateway.diagnose import Fault, Refused, diagnose
from ingest.gateway.edge import EdgeReading
from ingest.gateway.event_time import ZoneOf, event_time_ms, no_zone
from ingest.gateway.reasons import Reason
from ingest.gateway.split import lenient, split
from millrace.event_times import MAX_AHEAD_MS, OLDEST_EVENT_MS
from millrace.reading import Location, Reading, content_id, declared_source

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


def normalise(
    payload: bytes, envelope: Envelope, now_ms: int, zone_of: ZoneOf = no_zone
) -> list[Reading | Rejection]:
    """Return a reading or a rejection for each element of the payload, in its order.

    `zone_of` is asked for the zone of a device that wrote a local time without an offset.
    """
    if len(payload) > edge.MAX_PAYLOAD_BYTES:
        return [oversize(payload)]
    if envelope.device_id is not None and not edge.ID.match(envelope.device_id):
        return [Rejection(reason=Reason.BAD_DEVICE_ID, detail="in the address", original=payload)]
    try:
        decoded = edge.decode_payload(payload)
        if isinstance(decoded, EdgeReading):
            return [_reading(decoded, envelope, now_ms, zone_of)]
        if decoded:
            return [_reading(element, envelope, now_ms, zone_of) for element in decoded]
    except (*_DECODE_ERRORS, Refused):
        pass
    return _one_by_one(payload, envelope, now_ms, zone_of)


def oversize(payload: bytes, what: str = "payload") -> Rejection:
    """Refuse a payload that is too large, keeping its first 256 KiB."""
    kept = payload[: edge.MAX_PAYLOAD_BYTES]
    detail = f"{what} over {edge.MAX_PAYLOAD_BYTES} bytes; the first {len(kept)} bytes are kept"
    return Rejection(reason=Reason.OVERSIZE, detail=detail, original=kept)


def _one_by_one(
    payload: bytes, envelope: Envelope, now_ms: int, zone_of: ZoneOf
) -> list[Reading | Rejection]:
    try:
        elements = split(payload)
    except UnicodeDecodeError as error:
        detail = f"byte {error.start}: {error.reason}"
        device_id = envelope.device_id or _named_device(payload)
        return [Rejection(reason=Reason.NOT_UTF8, detail=detail, original=payload, device_id=device_id)]
    except RecursionError:
        return [_whole(payload, Reason.MALFORMED_JSON, "nested too deep")]
    except ValueError as error:
        return [_whole(payload, Reason.MALFORMED_JSON, str(error))]
    if not elements:
        return [_whole(payload, Reason.EMPTY_BATCH, Reason.EMPTY_BATCH.about)]
    if len(elements) == 1 and not payload.lstrip().startswith(b"["):
        elements = [payload]
    return [_element(index, element, envelope, now_ms, zone_of) for index, element in enumerate(elements)]


def _whole(payload: bytes, reason: Reason, detail: str) -> Rejection:
    return Rejection(reason=reason, detail=detail, original=payload)


def _element(
    index: int, element: bytes, envelope: Envelope, now_ms: int, zone_of: ZoneOf
) -> Reading | Rejection:
    try:
        return _reading(edge.decode_element(element), envelope, now_ms, zone_of)
    except Refused as refused:
        fault = refused.fault
    except _DECODE_ERRORS as error:
        fault = diagnose(element, str(error))
    return Rejection(
        reason=fault.reason,
        detail=fault.detail,
        original=element,
        index=index,
        device_id=envelope.device_id or _named_device(element),
    )


def _named_device(element: bytes) -> str | None:
    """Return the device a refused element names, so that its dead letter is found by it."""
    try:
        value = lenient.decode(element.decode(errors="replace"))
    except (ValueError, RecursionError):
        return None
    device_id = value.get("device_id") if isinstance(value, dict) else None
    return device_id if isinstance(device_id, str) and edge.ID.match(device_id) else None


def _reading(edge_reading: EdgeReading, envelope: Envelope, now_ms: int, zone_of: ZoneOf) -> Reading:
    place = edge_reading.location
    location = Location(lat=place.lat, lon=place.lon, alt_m=place.alt_m) if place else None
    device_id = _device_id(edge_reading, envelope)
    event_time = _event_time(edge_reading, device_id, envelope, now_ms, zone_of)
    return Reading(
        tenant=envelope.tenant,
        device_id=device_id,
        event_id=edge_reading.event_id or _event_id(edge_reading, event_time, location),
        event_time=event_time,
        metrics=edge_reading.metrics,
        location=location,
        attributes=edge_reading.attributes,
        received_at=envelope.received_at,
        source=declared_source(envelope.source, edge_reading.on_conflict),
    )


def _event_time(
    edge_reading: EdgeReading, device_id: str, envelope: Envelope, now_ms: int, zone_of: ZoneOf
) -> int:
    given = edge_reading.event_time
    # What nearly every device sends needs no second look.
    if edge_reading.event_time_s is None:
        if given is None:
            return envelope.received_at
        if type(given) is int and OLDEST_EVENT_MS <= given <= now_ms + MAX_AHEAD_MS:
            return given
    zone = partial(zone_of, envelope.tenant, device_id)
    return event_time_ms(edge_reading, envelope.received_at, now_ms, zone)


def _device_id(edge_reading: EdgeReading, envelope: Envelope) -> str:
    named, addressed = edge_reading.device_id, envelope.device_id
    if addressed is None:
        if named is None:
            raise Refused(Fault(Reason.MISSING_DEVICE_ID, Reason.MISSING_DEVICE_ID.about))
        return named
    if named is not None and named != addressed:
        raise Refused(Fault(Reason.DEVICE_MISMATCH, f"address says {addressed}, payload says {named}"))
    return addressed


def _event_id(edge_reading: EdgeReading, event_time: int, location: Location | None) -> str:
    if edge_reading.event_time is None and edge_reading.event_time_s is None:
        # Nothing tells it from the next one: a constant value counts each time it is sent.
        return uuid4().hex
    return content_id(event_time, edge_reading.metrics, location, edge_reading.attributes)
