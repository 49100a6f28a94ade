"""A device restarted when its sequence number starts again while event time goes on."""

from collections.abc import Iterator
from typing import NamedTuple

from udfs.device_state import Activity, Device


class Restart(NamedTuple):
    """Event time of the first reading after a restart, and the sequence numbers around it."""

    event_time_ms: int
    seq_before: int
    seq_after: int


def restarts(device: Device, activity: Activity) -> Iterator[Restart]:
    """Yield the restarts an activity shows and remember its last number.

    Numbers are compared in the order of event time; readings older than the last one say nothing.
    """
    first_ms, last_ms = activity.first_event_ms, activity.last_event_ms
    first_seq, last_seq = activity.first_seq, activity.last_seq
    if first_ms is None or last_ms is None or first_seq is None or last_seq is None:
        return
    if last_ms <= device.seq_event_ms:
        return
    before = device.seq
    if first_ms > device.seq_event_ms:
        if before is not None and first_seq < before:
            yield Restart(first_ms, before, first_seq)
        before = first_seq
    if before is not None and last_seq < before:
        yield Restart(last_ms, before, last_seq)
    device.seq, device.seq_event_ms = last_seq, last_ms
