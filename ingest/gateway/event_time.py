"""When a reading was measured: from what the device sent, its zone, and the moment the gateway got it."""

import re
from collections.abc import Callable
from typing import Final
from zoneinfo import ZoneInfo

from ingest.gateway.diagnose import Fault, Refused
from ingest.gateway.edge import EdgeReading
from ingest.gateway.reasons import Reason
from millrace.clock import to_iso
from millrace.event_times import (
    FACTOR_TO_MS,
    MAX_AHEAD_MS,
    OLDEST_EVENT_MS,
    Unit,
    UnreadableTimeError,
    moment_on_arrival,
    moments,
    read_time,
    rfc_3339_ms,
    unit_of,
)

_NUMBER = re.compile(r"[+-]?[0-9]{1,30}(?:\.[0-9]{0,30})?")
_IN_UNIT: Final[dict[Unit, Reason]] = {
    "seconds": Reason.EVENT_TIME_IN_SECONDS,
    "microseconds": Reason.EVENT_TIME_IN_MICROSECONDS,
    "nanoseconds": Reason.EVENT_TIME_IN_NANOSECONDS,
}


_UTC: Final = ZoneInfo("UTC")


class ZonesUnknownError(Exception):
    """Nobody has said yet which zones there are."""


# Returns the zone in which a device (tenant, device id) writes local times, None when none is set, or
# raises ZonesUnknownError.
ZoneOf = Callable[[str, str], ZoneInfo | None]
AskZone = Callable[[], ZoneInfo | None]


def no_zone(_tenant: str, _device_id: str) -> ZoneInfo | None:
    """Know of no zone: a local time without an offset is refused."""
    return None


def event_time_ms(reading: EdgeReading, received_at: int, now_ms: int, zone: AskZone) -> int:
    """Return epoch milliseconds; raise Refused saying why there are none.

    `zone` is asked only for a local time.
    """
    value = reading.event_time
    if value is None:
        if reading.event_time_s is None:
            return received_at
        return _bounded(_from_seconds(reading.event_time_s), now_ms)
    if reading.event_time_s is not None:
        raise Refused(Fault(Reason.BAD_EVENT_TIME, "both event_time and event_time_s are given"))
    if isinstance(value, str):
        common_ms = rfc_3339_ms(value)
        if common_ms is not None:
            return _bounded(common_ms, now_ms)
        return _bounded(_from_text(value, received_at, now_ms, zone), now_ms)
    return _bounded(_whole(value, now_ms), now_ms)


def _bounded(time_ms: int, now_ms: int) -> int:
    if time_ms < OLDEST_EVENT_MS:
        raise Refused(Fault(Reason.BAD_EVENT_TIME, f"{_short(time_ms)} ms is before the year 2000"))
    if time_ms > now_ms + MAX_AHEAD_MS:
        ahead = f"{_short(time_ms - now_ms)} ms ahead of the gateway's clock"
        raise Refused(Fault(Reason.FUTURE_EVENT_TIME, ahead))
    return time_ms


def _whole(value: float, now_ms: int) -> int:
    """Return a number of milliseconds, of which a device may write 1767225600000.0."""
    if OLDEST_EVENT_MS <= value <= now_ms + MAX_AHEAD_MS and value == int(value):
        return int(value)
    unit = unit_of(value, now_ms)
    if unit:
        right = f"looks like {unit}; event_time is in milliseconds: multiply by {FACTOR_TO_MS[unit]}"
        raise Refused(Fault(_IN_UNIT[unit], f"{_short(value)} {right}"))
    try:
        whole = int(value)
    except (ValueError, OverflowError):
        raise Refused(Fault(Reason.BAD_EVENT_TIME, f"{value} is no time")) from None
    if whole != value:
        raise Refused(Fault(Reason.BAD_EVENT_TIME, f"{_short(value)} is no whole number of milliseconds"))
    return whole


def _from_seconds(value: float) -> int:
    if not abs(value) < OLDEST_EVENT_MS:
        wrong = f"event_time_s: {_short(value)} is no number of seconds; milliseconds go into event_time"
        raise Refused(Fault(Reason.BAD_EVENT_TIME, wrong))
    return round(value * 1000)


def _from_text(text: str, received_at: int, now_ms: int, zone: AskZone) -> int:
    try:
        written = read_time(text)
        local = written.offset_ms is None and written.zone is None and not written.date_only
        found = moments(written, _zone_for(text, zone) if local else _UTC)
    except UnreadableTimeError as unreadable:
        if _NUMBER.fullmatch(text.strip()):
            return _number_in_text(text, now_ms)
        raise Refused(Fault(Reason.BAD_EVENT_TIME, str(unreadable))) from None
    if written.date_only:
        raise Refused(Fault(Reason.BAD_EVENT_TIME, f"{text[:40]!r} is a date alone, and no moment"))
    if not found:
        never = f"{text[:40]!r} is no time of its zone: the clocks went forward over it"
        raise Refused(Fault(Reason.SKIPPED_EVENT_TIME, never))
    moment = moment_on_arrival(found, received_at)
    if moment is None:
        either = " or ".join(map(to_iso, found))
        twice = f"{text[:40]!r} was twice in its zone, for the clocks went back: {either}"
        raise Refused(Fault(Reason.AMBIGUOUS_EVENT_TIME, twice))
    return moment


def _number_in_text(text: str, now_ms: int) -> int:
    try:
        return _whole(float(text) if "." in text else int(text), now_ms)
    except Refused as refused:
        # Its fixes are two, since a text cannot be scaled: the reason is not the one that has one fix.
        detail = f"{refused.fault.detail}; it came as a text: to_number:event_time first"
        raise Refused(Fault(Reason.BAD_EVENT_TIME, detail)) from None


def _zone_for(text: str, zone: AskZone) -> ZoneInfo:
    try:
        found = zone()
    except ZonesUnknownError as unknown:
        raise Refused(Fault(Reason.LOCAL_EVENT_TIME, f"{text[:40]!r} has no offset, and {unknown}")) from None
    if found is None:
        nowhere = f"{text[:40]!r} has no offset, and no zone is set for this device, its site or its tenant"
        raise Refused(Fault(Reason.LOCAL_EVENT_TIME, nowhere))
    return found


def _short(number: float) -> str:
    text = str(number) if abs(number) < 10**30 else f"{number:.3g}" if abs(number) < 1e300 else "a number"
    return text[:40]
