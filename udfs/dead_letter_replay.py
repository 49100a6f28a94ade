"""What is sent when a dead letter is replayed: the same bytes at every attempt, under the same event ids."""

import json
from collections.abc import Callable, Collection, Sequence
from hashlib import blake2b
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from udfs.dead_letter_fixes import Fix, FixError, Reading, apply_fixes, asks_for_zone, touches

# Longer integers are read as floats, as the gateway does: Python refuses to convert very long ones.
_LONGEST_INT = 20
_TIMES = ("event_time", "event_time_s")
# Returns the zone in which a device (tenant, device id) writes local times, or None.
ZoneOf = Callable[[str, str], ZoneInfo | None]


class Refused(NamedTuple):
    """What replaying needs to know of a dead letter; the tenant is the one it is replayed for."""

    dead_letter_id: str
    reason: str
    tenant: str
    device_id: str | None
    received_at_ms: int
    original: bytes


class Prepared(NamedTuple):
    """The bytes for the gateway and `tenant/device_id/event_id` of each reading in them, in their order."""

    payload: bytes
    readings: tuple[str, ...]


def prepare(
    letter: Refused, fixes: Sequence[Fix], body: Any = None, zone_of: ZoneOf | None = None
) -> Prepared:
    """Return what to send; raise FixError when that needs a decision a person has to make.

    `body` is a corrected message that takes the place of the original one. What the address or the
    moment of arrival said (device, event time) is written into the message, for neither is the same
    at a replay. `zone_of` finds the zone of a device for a fix that needs it.
    """
    value = body if body is not None else _parse(letter)
    elements = value if isinstance(value, list) else [value]
    chosen = body is not None or any(touches(fix, "device_id") for fix in fixes)
    named = [_complete(letter, _fixed(letter, element, fixes, zone_of), chosen) for element in elements]
    _name_events(letter, named, many=isinstance(value, list))
    payload = json.dumps(named if isinstance(value, list) else named[0], separators=(",", ":"))
    readings = (f"{letter.tenant}/{reading['device_id']}/{reading['event_id']}" for reading in named)
    return Prepared(payload.encode(), tuple(readings))


def without(prepared: Prepared, stored: Collection[str]) -> Prepared:
    """Return what is left to send when some of the readings are stored already."""
    value = json.loads(prepared.payload)
    elements = value if isinstance(value, list) else [value]
    left = [pair for pair in zip(elements, prepared.readings, strict=True) if pair[1] not in stored]
    payload = json.dumps([element for element, _ in left], separators=(",", ":"))
    return Prepared(payload.encode(), tuple(reading for _, reading in left))


def _parse(letter: Refused) -> Any:
    # What was kept of it may even parse, and would still be half a message.
    if letter.reason == "oversize":
        raise FixError("only the first part of this message was kept: send a corrected body")
    return read_json(letter.original)


def read_json(original: bytes) -> Any:
    """Read a refused message; NaN and infinities are let through. Raises FixError when it is no JSON."""
    try:
        return json.loads(original.decode(), parse_int=_integer)
    except (ValueError, RecursionError):
        raise FixError("the message is no JSON document: send a corrected body") from None


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= _LONGEST_INT else float(digits)


def _fixed(letter: Refused, element: Any, fixes: Sequence[Fix], zone_of: ZoneOf | None) -> Reading:
    if not isinstance(element, dict):
        raise FixError("the message is no object or array of objects: send a corrected body")
    zone = None
    if zone_of is not None and any(map(asks_for_zone, fixes)):
        zone = zone_of(letter.tenant, str(element.get("device_id") or letter.device_id or ""))
    return apply_fixes(element, fixes, zone)


def _complete(letter: Refused, reading: Reading, chosen: bool) -> Reading:
    device_id = reading.get("device_id")
    if device_id is None:
        device_id = letter.device_id
    elif letter.device_id is not None and device_id != letter.device_id and not chosen:
        raise FixError(
            f"the address names {letter.device_id!r}, the message {device_id!r}: set or remove device_id"
        )
    if device_id is None:
        raise FixError("nothing says which device spoke: set device_id")
    named = reading | {"device_id": device_id}
    if all(reading.get(field) is None for field in _TIMES):
        named["event_time"] = letter.received_at_ms
    return named


def _name_events(letter: Refused, readings: list[Reading], *, many: bool) -> None:
    base = _event_id(letter)
    for index, reading in enumerate(readings):
        if reading.get("event_id") is None:
            reading["event_id"] = f"{base}-{index}" if many else base


def _event_id(letter: Refused) -> str:
    """Name the event as the gateway would: the same bytes with a time of their own are the same event."""
    try:
        original = read_json(letter.original)
    except FixError:
        original = None
    if isinstance(original, dict) and any(original.get(field) is not None for field in _TIMES):
        return blake2b(letter.original.strip(), digest_size=16).hexdigest()
    return f"dead-letter-{letter.dead_letter_id}"
