"""What is to be recomputed, cut into pieces that fit into memory."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from millrace.clock import to_iso
from millrace.errors import MillraceError

MINUTE_MS: Final = 60_000
DAY_MS: Final = 86_400_000
# Of a device at one reading a second, so many device-days are 2.6 M readings.
PIECE_DEVICE_DAYS: Final = 31
PIECE_DEVICES: Final = 31


class Asked(NamedTuple):
    """Devices of a tenant, in [from_ms, to_ms) of event time (UTC epoch milliseconds)."""

    tenant: str
    devices: tuple[str, ...]
    from_ms: int
    to_ms: int


def whole_minutes(asked: Asked, final_ms: int) -> Asked:
    """Widen a span to whole minutes, and end it where results are final; MillraceError when nothing is left.

    Later windows are still the stream's: it publishes them itself, with all readings it has.
    """
    from_ms = asked.from_ms // MINUTE_MS * MINUTE_MS
    to_ms = min(-(-asked.to_ms // MINUTE_MS) * MINUTE_MS, final_ms // MINUTE_MS * MINUTE_MS)
    if from_ms >= to_ms:
        raise MillraceError(
            f"nothing in it can be recomputed: results are final up to {to_iso(max(final_ms, 0))}",
            where="--from, --to",
            mend="Ask for an earlier span; `millrace corrections` says how far results are final.",
        )
    return asked._replace(from_ms=from_ms, to_ms=to_ms)


def pieces(asked: Asked) -> Iterator[Asked]:
    """Cut by devices and days, so that no piece holds more than `PIECE_DEVICE_DAYS` device-days."""
    for begin in range(0, len(asked.devices), PIECE_DEVICES):
        devices = asked.devices[begin : begin + PIECE_DEVICES]
        step_ms = max(1, PIECE_DEVICE_DAYS // len(devices)) * DAY_MS
        from_ms = asked.from_ms
        while from_ms < asked.to_ms:
            to_ms = min(from_ms // DAY_MS * DAY_MS + step_ms, asked.to_ms)
            yield asked._replace(devices=devices, from_ms=from_ms, to_ms=to_ms)
            from_ms = to_ms
