"""A device that goes online and offline over and over is named once, then left alone until it is calm."""

from typing import Final

from udfs.device_state import Device

CHANGES: Final = 4
WITHIN_MS: Final = 10 * 60_000


def count_change(device: Device, at_ms: int) -> bool:
    """Count a change between online and offline and tell whether the device is to be named now."""
    recent = [change_ms for change_ms in device.changes_ms if at_ms - change_ms < WITHIN_MS]
    device.changes_ms = [*recent, at_ms][-CHANGES:]
    named_now = not device.flapping and len(device.changes_ms) == CHANGES
    device.flapping = device.flapping or named_now
    return named_now


def calms_down(device: Device, log_time_ms: int) -> bool:
    """Tell whether a flapping device has been calm for long enough, and forget its changes then."""
    if not device.flapping or log_time_ms - device.changes_ms[-1] < WITHIN_MS:
        return False
    device.flapping, device.changes_ms = False, []
    return True
