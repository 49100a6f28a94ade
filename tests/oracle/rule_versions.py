"""Alerts of thresholds that change while readings come, computed from the log alone.

Imports nothing of ours. A version is in force for what the log holds from a delay after the version on; a
reading raises when it is above the limit of the version in force for it, and an open alert, which goes on
across versions, ends with the first reading at or behind the clearing limit in force for that one.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple


class Version(NamedTuple):
    """A version of a threshold in the log; no device is every device."""

    rule: str
    version: int
    log_ms: int
    device_id: str
    raise_above: float
    clear_below: float


class Heard(NamedTuple):
    """A reading in the log, as the device sent it and when the log took it."""

    device_id: str
    event_id: str
    event_ms: int
    log_ms: int
    value: float


class Alert(NamedTuple):
    """One time a rule's condition held on a device, by the version that raised it; not cleared = open."""

    rule: str
    device_id: str
    onset_ms: int
    version: int
    cleared_ms: int | None = None


def alerts_of(versions: Iterable[Version], readings: Iterable[Heard], delay_ms: int) -> list[Alert]:
    """Return all alerts of readings, which may come twice and out of order, but not late."""
    histories: defaultdict[str, list[Version]] = defaultdict(list)
    for version in sorted(versions, key=lambda one: (one.log_ms, one.version)):
        histories[version.rule].append(version)
    by_device = _by_device(readings)
    found: list[Alert] = []
    for history in histories.values():
        named = history[0].device_id
        for device_id in [named] if named else by_device:
            found += _judged(history, by_device.get(device_id, []), delay_ms)
    return found


def _by_device(readings: Iterable[Heard]) -> dict[str, list[Heard]]:
    first = {(reading.device_id, reading.event_id): reading for reading in reversed(list(readings))}
    found: defaultdict[str, list[Heard]] = defaultdict(list)
    for reading in sorted(first.values(), key=lambda one: one.event_ms):
        found[reading.device_id].append(reading)
    return found


def _judged(history: Sequence[Version], readings: Iterable[Heard], delay_ms: int) -> list[Alert]:
    starts_ms = [version.log_ms + delay_ms for version in history]
    found: list[Alert] = []
    is_open = False
    for reading in readings:
        place = bisect_right(starts_ms, reading.log_ms) - 1
        if place < 0:
            continue
        version = history[place]
        if not is_open and reading.value > version.raise_above:
            found.append(Alert(version.rule, reading.device_id, reading.event_ms, version.version))
            is_open = True
        elif is_open and reading.value <= version.clear_below:
            found[-1] = found[-1]._replace(cleared_ms=reading.event_ms)
            is_open = False
    return found
