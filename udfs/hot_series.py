"""How the last 24 hours of a device lie in Redis: fixed-width slots in one string per metric and hour.

A slot holds one 10 s pane. Its place follows from its time alone, so writing a pane twice changes
nothing. Full contract: `schemas/redis/keyspace.yaml`.
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

PANE_MS = 10_000
HOUR_MS = 3_600_000
SLOTS_PER_HOUR = HOUR_MS // PANE_MS
KEEP_MS = 25 * HOUR_MS
_SLOT = struct.Struct("<Iddddd")
SLOT_BYTES = _SLOT.size


class Pane(NamedTuple):
    """Aggregate of one metric of one device over [start_ms, start_ms + 10 s)."""

    start_ms: int
    readings: int
    minimum: float
    maximum: float
    total: float
    first: float
    last: float


def device_key(tenant: str, device_id: str) -> str:
    """Key of the device's latest-state hash."""
    return f"device:{{{tenant}:{device_id}}}"


def devices_key(tenant: str) -> str:
    """Key of the tenant's device index: a sorted set of device ids by newest event time (ms)."""
    return f"devices:{{{tenant}}}"


def series_key(tenant: str, device_id: str, metric: str, time_ms: int) -> str:
    """Key of the hour string that holds the pane of `time_ms` (UTC epoch milliseconds)."""
    return f"series:{{{tenant}:{device_id}}}:{metric}:{hour_start(time_ms) // 1000}"


def hour_start(time_ms: int) -> int:
    """Floor to the hour, milliseconds."""
    return time_ms - time_ms % HOUR_MS


def slot_offset(start_ms: int) -> int:
    """Byte offset of a pane inside its hour string."""
    return (start_ms % HOUR_MS) // PANE_MS * SLOT_BYTES


def expires_at_ms(start_ms: int) -> int:
    """When the hour string of a pane may go."""
    return hour_start(start_ms) + KEEP_MS


def pack(pane: Pane) -> bytes:
    """Encode one pane as a slot of SLOT_BYTES bytes."""
    return _SLOT.pack(*pane[1:])


def unpack_hour(hour_ms: int, stored: bytes) -> Iterator[Pane]:
    """Yield the panes of one hour string in time order, skipping slots never written (0 readings)."""
    for place in range(len(stored) // SLOT_BYTES):
        readings, *values = _SLOT.unpack_from(stored, place * SLOT_BYTES)
        if readings:
            yield Pane(hour_ms + place * PANE_MS, readings, *values)
