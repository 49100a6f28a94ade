"""Many devices of one site that fall silent together are one event of the site, not an alarm each.

The site is silent when 20 % of its online devices, 3 at least, went offline within 30 s of log time, and
back when more than half of them are. Events of devices that belong to it carry its id in `part_of`.
"""

from typing import Final

import msgspec

from udfs.device_state import DeviceEvent

WITHIN_MS: Final = 30_000
FEWEST: Final = 3
SHARE_PERCENT: Final = 20


class SiteState(msgspec.Struct, array_like=True):
    """How many devices of a site are online, who left it lately, and who is missing since it fell silent.

    `recent` holds device -> (event time, log time) of offline events; `members` counts all that belong
    to the silence, `missing` are those not back. Grows by about 40 bytes with each of them.
    """

    online: int = 0
    recent: dict[str, tuple[int, int]] = {}
    newest_ms: int = 0
    silent_id: str = ""
    silent: bool = False
    members: int = 0
    missing: dict[str, None] = {}


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(SiteState)


def decode_site(data: bytes | None) -> SiteState:
    """Read a site's state; None is a site that never had any.

    Raises msgspec.DecodeError when the bytes are no site.
    """
    return SiteState() if data is None else _decoder.decode(data)


def encode_site(state: SiteState) -> bytes:
    """Write a site's state."""
    return _encoder.encode(state)


def advance_site(state: SiteState, event: DeviceEvent) -> list[DeviceEvent]:
    """Take one event of a device and return it, with its place in a silence and the site's own events.

    Changes `state` in place. Events other than online and offline, and those without a site, pass unchanged.
    """
    if not event.site or event.type not in {"online", "offline"}:
        return [event]
    return _offline(state, event) if event.type == "offline" else _online(state, event)


def _offline(state: SiteState, event: DeviceEvent) -> list[DeviceEvent]:
    state.online = max(0, state.online - 1)
    if state.silent:
        _miss(state, event.device_id)
        return [event._replace(part_of=state.silent_id)]
    state.newest_ms = max(state.newest_ms, event.detected_at_ms)
    state.recent[event.device_id] = (event.event_time_ms, event.detected_at_ms)
    if not _many(state):
        return [event]
    silent = _fall_silent(state, event)
    return [silent, event._replace(part_of=silent.event_id)]


def _many(state: SiteState) -> bool:
    oldest_ms, recent = state.newest_ms - WITHIN_MS, state.recent
    while recent[first := next(iter(recent))][1] < oldest_ms:
        del recent[first]
    if len(recent) < _enough(state.online + len(recent)):
        return False
    # Events of different shards are not quite in order: some may be old behind a newer one.
    for device_id in [key for key, (_, at_ms) in recent.items() if at_ms < oldest_ms]:
        del recent[device_id]
    return len(recent) >= _enough(state.online + len(recent))


def _enough(devices: int) -> int:
    return max(FEWEST, -(-devices * SHARE_PERCENT // 100))


def _miss(state: SiteState, device_id: str) -> None:
    state.members += device_id not in state.missing
    state.missing[device_id] = None


def _fall_silent(state: SiteState, last: DeviceEvent) -> DeviceEvent:
    event_time_ms = min(event_ms for event_ms, _ in state.recent.values())
    details = {"online_before": str(state.online + len(state.recent))}
    silent = _site_event("site_silent", last, len(state.recent), event_time_ms, "", details)
    state.silent, state.silent_id = True, silent.event_id
    state.members, state.missing = len(state.recent), dict.fromkeys(state.recent)
    state.recent = {}
    return silent


def _online(state: SiteState, event: DeviceEvent) -> list[DeviceEvent]:
    state.online += 1
    state.recent.pop(event.device_id, None)
    if event.device_id not in state.missing:
        return [event]
    del state.missing[event.device_id]
    answered = event._replace(part_of=state.silent_id)
    back = state.members - len(state.missing)
    if not state.silent or back * 2 <= state.members:
        return [answered]
    state.silent = False
    details = {"missing": str(len(state.missing))}
    return [
        answered,
        _site_event("site_back", event, back, event.event_time_ms, state.silent_id, details),
    ]


def _site_event(
    kind: str, by: DeviceEvent, devices: int, event_time_ms: int, part_of: str, details: dict[str, str]
) -> DeviceEvent:
    return DeviceEvent(
        event_id=f"{kind}:{by.tenant}/{by.site}:{event_time_ms}:{by.detected_at_ms}",
        type=kind,
        tenant=by.tenant,
        device_id="",
        site=by.site,
        event_time_ms=event_time_ms,
        detected_at_ms=by.detected_at_ms,
        cause="many_devices",
        part_of=part_of,
        devices=devices,
        details=details,
    )
