"""The fault the fleet injects: announced, so that whoever watches knows what should be found."""

from collections.abc import Sequence
from typing import NamedTuple

HEALTHY_MS = 180_000
WEARING_MS = 600_000
WORN_MS = 240_000
CYCLE_MS = HEALTHY_MS + WEARING_MS + WORN_MS
_PREFERRED = "pump-07"


class Fault(NamedTuple):
    """Bearing wear: healthy, then rising vibration, then worn out, then repaired, over and over."""

    device_id: str
    began_ms: int

    def wear(self, time_ms: int) -> float:
        """Return the wear at a time: 0 healthy to 1 worn out, rising ever faster in between."""
        into = (time_ms - self.began_ms) % CYCLE_MS - HEALTHY_MS
        return min(1.0, max(0.0, into / WEARING_MS)) ** 2

    def announcement(self) -> str:
        """Say what is injected, where, and when it shows."""
        return (
            f"injected fault: bearing-wear on {self.device_id}; vibration_mm_s rises from "
            f"{HEALTHY_MS // 60_000} min after the start for {WEARING_MS // 60_000} min, "
            f"repaired after {CYCLE_MS // 60_000} min, then again"
        )


def place_fault(device_ids: Sequence[str], began_ms: int) -> Fault | None:
    """Put the fault on pump-07, or on the last pump of a smaller fleet; None without a pump."""
    pumps = [device_id for device_id in device_ids if device_id.startswith("pump-")]
    if not pumps:
        return None
    return Fault(_PREFERRED if _PREFERRED in pumps else pumps[-1], began_ms)
