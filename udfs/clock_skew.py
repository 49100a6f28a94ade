"""A device whose clock is wrong by a constant: its readings all arrive equally long after their event time.

Each pane gives one sample, the smallest log time - event time in it, so that batches and late readings
beside readings on time do not blur it. Stored readings sent later are no wrong clock: their samples
change while log time moves, unless they come at the pace they were taken. A clock ahead shows in one reading.
"""

from typing import Final

from udfs.device_state import Activity, Device, OffsetRun

NAMED_ABOVE_MS: Final = 60_000
NAMED_AHEAD_MS: Final = 10_000
RIGHT_AHEAD_MS: Final = 5_000
CHANGE_MS: Final = 30_000
SPREAD_MS: Final = 10_000
READINGS: Final = 20
LASTING_MS: Final = 15_000


def observe(device: Device, sample: Activity) -> int | None:
    """Take a pane's activity of smallest offset; return the offset (ms) of the clock if it is news.

    Positive means the clock is behind. News are a first constant offset above `NAMED_ABOVE_MS`, one reading
    ahead by `NAMED_AHEAD_MS` (nothing is measured in the future, so one is enough), a change of more than
    `CHANGE_MS`, and a clock set right, for which `device.clock_offset_ms` is None again.
    """
    offset_ms, reported_ms = sample.min_offset_ms, device.clock_offset_ms
    if offset_ms is None or (reported_ms is None and not _is_wrong(offset_ms)):
        device.offset_run = None
        return None
    run = device.offset_run = _continued(device.offset_run, offset_ms, sample)
    if offset_ms <= -NAMED_AHEAD_MS and (reported_ms is None or reported_ms - offset_ms > CHANGE_MS):
        device.clock_offset_ms = offset_ms
        return offset_ms
    if run.readings < READINGS or sample.arrived_ms - run.since_ms < LASTING_MS:
        return None
    if abs(run.smallest_ms - (reported_ms or 0)) <= CHANGE_MS and not _is_set_right(reported_ms, run):
        return None
    device.clock_offset_ms = run.smallest_ms if _is_wrong(run.smallest_ms) else None
    return run.smallest_ms


def _is_wrong(offset_ms: int) -> bool:
    return offset_ms > NAMED_ABOVE_MS or offset_ms <= -NAMED_AHEAD_MS


def _is_set_right(reported_ms: int | None, run: OffsetRun) -> bool:
    ahead = reported_ms is not None and reported_ms < 0
    return ahead and -RIGHT_AHEAD_MS < run.smallest_ms <= NAMED_ABOVE_MS


def _continued(run: OffsetRun | None, offset_ms: int, sample: Activity) -> OffsetRun:
    smallest_ms = min(run.smallest_ms, offset_ms) if run else offset_ms
    largest_ms = max(run.largest_ms, offset_ms) if run else offset_ms
    if run is None or largest_ms - smallest_ms > SPREAD_MS:
        return OffsetRun(sample.arrived_ms, offset_ms, offset_ms, min(sample.readings, READINGS))
    return OffsetRun(run.since_ms, smallest_ms, largest_ms, min(run.readings + sample.readings, READINGS))
