"""The classifier's verdict on each row of a batch read from one or more log partitions."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from udfs.duplicates import MEMORY_MS, Fingerprints, Flags, SeenLog
from udfs.latest import orders_ms

PLAIN, DUPLICATE, NEWEST = 0, 1, 2
REDUCE_ABOVE_ROWS = 1_000
History = Callable[[int, int, int], Fingerprints]
Numbers = npt.NDArray[np.int64]
Verdicts = npt.NDArray[np.int8]


class Batch(NamedTuple):
    """Columns of a batch, rows in log order within each partition; times are epoch milliseconds."""

    messages: Fingerprints
    devices: Fingerprints
    event_times_ms: Numbers
    partitions: Numbers
    offsets: Numbers
    log_times_ms: Numbers


class Classifier:
    """Remembers what each partition held lately; its memory can always be read back from the log.

    `history(partition, before_offset, since_ms)` returns the fingerprints the log holds before an
    offset. It is asked whenever a batch does not continue where the last one ended: at start, and
    after a restart rewound the offsets. So the memory needs no checkpoint, and a message read again
    gets the verdict it had.
    """

    def __init__(self, history: History) -> None:
        self._history = history
        self._logs: dict[int, SeenLog] = {}
        self._next_offset: dict[int, int] = {}

    def verdicts(self, batch: Batch) -> Verdicts:
        """Classify the rows of a batch."""
        first = np.zeros(len(batch.messages), dtype=np.bool_)
        for partition in np.unique(batch.partitions).tolist():
            rows = np.flatnonzero(batch.partitions == partition)
            first[rows] = self._first_seen(partition, batch, rows)
        wanted = wanted_hot(batch, first)
        return np.where(first, np.where(wanted, NEWEST, PLAIN), DUPLICATE).astype(np.int8)

    def _first_seen(self, partition: int, batch: Batch, rows: Numbers) -> Flags:
        offset, log_time_ms = int(batch.offsets[rows[0]]), int(batch.log_times_ms[rows[0]])
        if self._next_offset.get(partition) != offset:
            self._logs[partition] = self._remembered(partition, offset, log_time_ms)
        self._next_offset[partition] = int(batch.offsets[rows[-1]]) + 1
        return self._logs[partition].first_seen(batch.messages[rows], log_time_ms)

    def _remembered(self, partition: int, offset: int, log_time_ms: int) -> SeenLog:
        log = SeenLog()
        if offset > 0:
            log.first_seen(self._history(partition, offset, log_time_ms - MEMORY_MS), log_time_ms)
        return log


def wanted_hot(batch: Batch, first: Flags) -> Flags:
    """Pick what the hot tier needs: every first row of a small batch, each device's newest of a large one."""
    if len(first) <= REDUCE_ABOVE_ROWS:
        return first
    rows = np.flatnonzero(first)
    newest_first = rows[
        np.argsort(-orders_ms(batch.event_times_ms[rows], batch.log_times_ms[rows]), kind="stable")
    ]
    _, places = np.unique(batch.devices[newest_first], return_index=True)
    wanted = np.zeros(len(first), dtype=np.bool_)
    wanted[newest_first[places]] = True
    return wanted
