"""The classifier's verdict on each row of a batch of one or more log partitions."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pandas as pd

from udfs.duplicates import MEMORY_MS, Fingerprints, SeenLog

PLAIN, DUPLICATE, NEWEST = 0, 1, 2
REDUCE_ABOVE_ROWS = 1_000
History = Callable[[int, int, int], Fingerprints]
Verdicts = npt.NDArray[np.int8]


class Classifier:
    """Remembers what each partition held lately; its memory can always be read back from the log.

    `history(partition, before_offset, since_ms)` returns the fingerprints the log holds before an offset. It is asked
    whenever a batch does not continue where the last one ended: at start, and after a restart rewound the offsets. So
    the memory needs no checkpoint, and a replayed message gets the verdict it had.
    """

    def __init__(self, history: History) -> None:
        self._history = history
        self._logs: dict[int, SeenLog] = {}
        self._next_offset: dict[int, int] = {}

    def verdicts(self, batch: pd.DataFrame) -> Verdicts:
        """Classify rows in log order; columns print, device, event_time_ms, partition, offset, log_time_ms."""
        first = np.zeros(len(batch), dtype=np.bool_)
        for partition, rows in batch.groupby("partition", sort=False).indices.items():
            first[rows] = self._first_seen(int(partition), batch.iloc[rows])
        wanted = wanted_hot(batch, first)
        return np.where(first, np.where(wanted, NEWEST, PLAIN), DUPLICATE).astype(np.int8)

    def _first_seen(self, partition: int, rows: pd.DataFrame) -> npt.NDArray[np.bool_]:
        offset, log_time_ms = int(rows["offset"].iloc[0]), int(rows["log_time_ms"].iloc[0])
        if self._next_offset.get(partition) != offset:
            self._logs[partition] = self._remembered(partition, offset, log_time_ms)
        self._next_offset[partition] = int(rows["offset"].iloc[-1]) + 1
        return self._logs[partition].first_seen(rows["print"].to_numpy(), log_time_ms)

    def _remembered(self, partition: int, offset: int, log_time_ms: int) -> SeenLog:
        log = SeenLog()
        if offset > 0:
            log.first_seen(self._history(partition, offset, log_time_ms - MEMORY_MS), log_time_ms)
        return log


def wanted_hot(batch: pd.DataFrame, first: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Pick what the hot tier needs: every first row of a small batch, each device's newest of a large one."""
    if len(batch) <= REDUCE_ABOVE_ROWS:
        return first
    rows = batch[["device", "event_time_ms"]][first]
    newest = rows.sort_values("event_time_ms", kind="stable").drop_duplicates("device", keep="last").index
    wanted = np.zeros(len(batch), dtype=np.bool_)
    wanted[newest.to_numpy()] = True
    return wanted
