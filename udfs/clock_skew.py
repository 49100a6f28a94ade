"""A device whose clock is wrong by a constant: its readings all arrive equally long after their event time.

Each pane gives one sample, the smallest log time - event time in it, so that batches and late readings
beside readings on time do not blur it. Stored readings sent later are no wrong clock: their samples
change while log time moves, unless they come at the pace they were taken.
"""

from typing import Final

from udfs.device_state import Activity, Device, OffsetRun

NAMED_ABOVE_MS: Final = 60_000
CHANGE_MS: Final = 30_000
SPREAD_MS: Final = 10_000
READINGS: Final = 20
LASTING_MS: Final = 15_000


def observe(device: Device, sample: Activity) -> int | None:
    """Take a pane's activity of smallest offset; return the constant offset (ms) if it is news.

    Positive means the clock is behind. News are a first offset above `NAMED_ABOVE_MS`, a change of more
    than `CHANGE_MS`, and a clock set right, for which `device.clock_offset_ms` is None again.
    """
    offset_ms, reported_ms = sample.min_offset_ms, device.clock_offset_ms
    if offset_ms is None or (reported_ms is None and abs(offset_ms) <= NAMED_ABOVE_MS):
        device.offset_run = None
        return None
    run = device.offset_run = _continued(device.offset_run, offset_ms, sample)
    if run.readings < READINGS or sample.arrived_ms - run.since_ms < LASTING_MS:
        return None
    if abs(run.smallest_ms - (reported_ms or 0)) <= CHANGE_MS:
        return None
    device.clock_offset_ms = run.smallest_ms if abs(run.smallest_ms) > NAMED_ABOVE_MS else None
    return run.smallest_ms


def _continued(run: OffsetRun | None, offset_ms: int, sample: Activity) -> OffsetRun:
    smallest_ms = min(run.smallest_ms, offset_ms) if run else offset_ms
    largest_ms = max(run.largest_ms, offset_ms) if run else offset_ms
    if run is None or largest_ms - smallest_ms > SPREAD_MS:
        return OffsetRun(sample.arrived_ms, offset_ms, offset_ms, min(sample.readings, READINGS))
    return OffsetRun(run.since_ms, smallest_ms, largest_ms, min(run.readings + sample.readings, READINGS))
