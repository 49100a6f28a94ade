"""What arrived in a batch of the log, reduced to what the state of devices needs: a few texts per shard.

A batch of readings becomes one activity per device, log-time pane and event-time bucket, with numpy
and without a loop over readings. Activities, signals, contexts and ticks of one shard and pane travel
as one JSON text, with how far the log has been read by then; texts of a pane are joined by commas on the
way, in any order.
"""

from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, Final, NamedTuple, cast

import msgspec
import numpy as np
import numpy.typing as npt

from udfs.device_state import Activity, Context, Signal, Tick

PANE_MS: Final = 1_000
BUCKET_MS: Final = 10_000
Numbers = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]
Texts = npt.NDArray[np.object_]


class Readings(NamedTuple):
    """Columns of readings; times are epoch milliseconds, NaN = not sent, `first` = no duplicate."""

    owners: Texts
    devices: npt.NDArray[np.uint64]
    event_times_ms: Numbers
    log_times_ms: Numbers
    sequences: Values
    battery: Values
    signal: Values
    first: npt.NDArray[np.bool_]


class Gathered(msgspec.Struct, array_like=True, gc=False):
    """Everything of one shard and pane, or a part of it.

    `read` is up to which offset the shard knows each partition of `telemetry` with this pane.
    """

    activities: list[Activity] = []
    signals: list[Signal] = []
    contexts: list[Context] = []
    tick: Tick | None = None
    read: dict[int, int] = {}


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(list[Gathered])


def shard_of(devices: npt.NDArray[np.uint64], shards: int) -> Numbers:
    """Return the shard of each device by its fingerprint; changing `shards` gives devices to other shards."""
    return (devices % np.uint64(shards)).astype(np.int64)


class _Group(NamedTuple):
    """Activities as columns: by which they are laid together, and the rows to be sent."""

    devices: npt.NDArray[np.uint64]
    arrived_ms: Numbers
    columns: tuple[npt.NDArray[Any], ...]


def activities(readings: Readings, shards: int) -> Iterator[tuple[int, int, list[Activity]]]:
    """Yield pane (ms), shard and its activities; where duplicates came there is one without readings.

    The activities are plain tuples: in text they are the same, and making them is half the work.
    """
    found = (
        _repeated(readings, np.flatnonzero(~readings.first)),
        _counted(readings, np.flatnonzero(readings.first)),
    )
    for group in found:
        if len(group.devices):
            yield from _by_shard(group, shards)


def _by_shard(group: _Group, shards: int) -> Iterator[tuple[int, int, list[Activity]]]:
    shard, pane = shard_of(group.devices, shards), group.arrived_ms // PANE_MS
    order = np.lexsort((shard, pane))
    rows = cast(
        "list[Activity]", list(zip(*(_plain(column[order]) for column in group.columns), strict=True))
    )
    shard, pane = shard[order], pane[order]
    starts = _changes(shard, pane)
    for begin, end in pairwise([*starts.tolist(), len(rows)]):
        yield int(pane[begin]) * PANE_MS, int(shard[begin]), rows[begin:end]


def _plain(column: npt.NDArray[Any]) -> list[Any]:
    """Return Python values; a NaN is nothing."""
    values: list[Any] = column.tolist()
    if column.dtype.kind != "f" or not np.isnan(column).any():
        return values
    return [None if value != value else value for value in values]


def _repeated(readings: Readings, rows: Numbers) -> _Group:
    logs, devices = readings.log_times_ms[rows], readings.devices[rows]
    order = np.lexsort((logs, devices))
    logs, devices, rows = logs[order], devices[order], rows[order]
    if len(rows):
        starts = _changes(devices, logs // PANE_MS)
        newest = np.append(starts[1:], len(rows)) - 1
        logs, devices, rows = logs[newest], devices[newest], rows[newest]
    nothing, zero = np.full(len(rows), np.nan), np.zeros(len(rows), np.int64)
    columns = (readings.owners[rows], logs, zero, nothing, nothing, zero, *[nothing] * 7)
    return _Group(devices, logs, columns)


def _counted(readings: Readings, rows: Numbers) -> _Group:
    devices, events, logs = (
        column[rows] for column in (readings.devices, readings.event_times_ms, readings.log_times_ms)
    )
    # Buckets follow from event times, so event time within device and pane orders both.
    order = np.lexsort((events, logs // PANE_MS, devices))
    devices, events, logs, rows = devices[order], events[order], logs[order], rows[order]
    if not len(rows):
        return _Group(devices, logs, ())
    starts = _changes(devices, logs // PANE_MS, events // BUCKET_MS)
    last = np.append(starts[1:], len(rows)) - 1
    sequences, battery, signal = (
        column[rows] for column in (readings.sequences, readings.battery, readings.signal)
    )
    arrived_ms = np.maximum.reduceat(logs, starts)
    columns = (
        readings.owners[rows[starts]],
        arrived_ms,
        last - starts + 1,
        events[starts],
        events[last],
        np.zeros(len(starts), np.int64),
        np.minimum.reduceat(logs - events, starts),
        _whole(sequences[starts]),
        _whole(sequences[last]),
        np.fmin.reduceat(battery, starts),
        np.fmax.reduceat(battery, starts),
        np.fmin.reduceat(signal, starts),
        np.fmax.reduceat(signal, starts),
    )
    return _Group(devices[starts], arrived_ms, columns)


def read_offsets(
    partitions: Numbers, offsets: Numbers, log_times_ms: Numbers
) -> defaultdict[int, dict[int, int]]:
    """Return by pane (ms) up to which offset each partition has been read with it, from rows in log order.

    The log's clock may go back: what an earlier record keeps waiting is told with the pane of that one.
    """
    found: defaultdict[int, dict[int, int]] = defaultdict(dict)
    for partition in np.unique(partitions).tolist():
        rows = np.flatnonzero(partitions == partition)
        panes = np.maximum.accumulate(log_times_ms[rows] // PANE_MS)
        last = np.append(_changes(panes)[1:], len(rows)) - 1
        for pane, offset in zip(panes[last].tolist(), offsets[rows[last]].tolist(), strict=True):
            found[pane * PANE_MS][partition] = offset + 1
    return found


def _whole(values: Values) -> npt.NDArray[Any]:
    """Return numbers without a fraction, which JSON would write and a reader of whole numbers refuse."""
    if np.isnan(values).all():
        return values
    return np.array([None if value != value else int(value) for value in values.tolist()], dtype=object)


def _changes(*columns: npt.NDArray[np.generic]) -> Numbers:
    differs = np.zeros(len(columns[0]) - 1, dtype=np.bool_)
    for column in columns:
        differs |= column[1:] != column[:-1]
    return np.append(np.int64(0), np.flatnonzero(differs) + 1)


def encode(gathered: Gathered) -> str:
    """Write a part of a pane as text."""
    return _encoder.encode(gathered).decode()


def decode(texts: str) -> Gathered:
    """Put the comma-joined parts of a pane together; of several ticks the newest counts.

    Raises msgspec.DecodeError when the text was not written by `encode`.
    """
    whole = Gathered([], [], [])
    for part in _decoder.decode(f"[{texts}]"):
        whole.activities += part.activities
        whole.signals += part.signals
        whole.contexts += part.contexts
        whole.tick = max(filter(None, (whole.tick, part.tick)), default=None)
        for partition, offset in part.read.items():
            whole.read[partition] = max(offset, whole.read.get(partition, 0))
    return whole
