"""How events of devices are made; their ids follow from what happened, so a replay tells the same events."""

from udfs.device_state import Device, DeviceEvent, Terms


def device_event(
    kind: str,
    owner: str,
    terms: Terms,
    event_time_ms: int,
    detected_at_ms: int,
    cause: str,
    details: dict[str, str] | None = None,
) -> DeviceEvent:
    """Make an event of one device; event time and detection (log time) tell it from others of its kind."""
    tenant, _, device_id = owner.partition("/")
    return DeviceEvent(
        event_id=f"{kind}:{owner}:{event_time_ms}:{detected_at_ms}",
        type=kind,
        tenant=tenant,
        device_id=device_id,
        site=terms.site,
        event_time_ms=event_time_ms,
        detected_at_ms=detected_at_ms,
        cause=cause,
        part_of="",
        devices=1,
        details=details or {},
    )


def last_event_ms(device: Device) -> int:
    """Return the newest event time of a device, or when something of it last arrived if no reading did."""
    return device.newest_event_ms or device.last_arrival_ms
