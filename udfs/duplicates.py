"""Which messages of a log were seen before, over a bounded stretch of log time.

A `SeenSet` is a hash table of 64-bit fingerprints in one numpy array: 16 to 32 bytes a message, and
a batch is looked up and inserted in a few vector operations. Fingerprints collide with probability
n / 2**64 a message (n = messages remembered): below 1e-11 at 100 million. `SeenLog` keeps three
generations of half the memory span each and ages by the log's own timestamps, never by the wall
clock: reading the log again gives the same answers.
"""

import numpy as np
import numpy.typing as npt

Fingerprints = npt.NDArray[np.uint64]
Flags = npt.NDArray[np.bool_]

MEMORY_MS = 15 * 60_000
GENERATION_MS = MEMORY_MS // 2
_EMPTY = np.uint64(0)
_SMALLEST = 1 << 12


class SeenSet:
    """A growing open-addressing set of fingerprints."""

    def __init__(self) -> None:
        self._table: Fingerprints = np.zeros(_SMALLEST, dtype=np.uint64)
        self._used = 0

    def contains(self, prints: Fingerprints) -> Flags:
        """Tell for each fingerprint whether it is in the set."""
        found = np.zeros(len(prints), dtype=np.bool_)
        open_rows = np.arange(len(prints))
        slots = self._home(prints)
        while len(open_rows):
            held = self._table[slots]
            hit = held == prints[open_rows]
            found[open_rows[hit]] = True
            going_on = ~hit & (held != _EMPTY)
            open_rows, slots = open_rows[going_on], self._next(slots[going_on])
        return found

    def add(self, prints: Fingerprints) -> None:
        """Insert fingerprints that are distinct and not in the set."""
        while (self._used + len(prints)) * 2 > len(self._table):
            self._grow()
        self._used += len(prints)
        self._place(prints)

    def _place(self, prints: Fingerprints) -> None:
        slots = self._home(prints)
        while len(prints):
            free = self._table[slots] == _EMPTY
            self._table[slots[free]] = prints[free]
            lost = self._table[slots] != prints
            prints, slots = prints[lost], self._next(slots[lost])

    def _grow(self) -> None:
        old = self._table[self._table != _EMPTY]
        self._table = np.zeros(len(self._table) * 2, dtype=np.uint64)
        self._place(old)

    def _home(self, prints: Fingerprints) -> npt.NDArray[np.int64]:
        return (prints & np.uint64(len(self._table) - 1)).astype(np.int64)

    def _next(self, slots: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        return (slots + 1) & (len(self._table) - 1)


class SeenLog:
    """Remembers one partition's fingerprints for at least `MEMORY_MS` of log time."""

    def __init__(self) -> None:
        self._generations: dict[int, SeenSet] = {}

    def first_seen(self, prints: Fingerprints, log_time_ms: int) -> Flags:
        """Remember a batch in log order and tell which rows are the first of their fingerprint.

        `log_time_ms` is the Kafka timestamp of the batch's first row.
        """
        distinct, first_rows = np.unique(prints, return_index=True)
        new = ~self._known(distinct)
        self._current(log_time_ms).add(distinct[new])
        first = np.zeros(len(prints), dtype=np.bool_)
        first[first_rows[new]] = True
        return first

    def _known(self, prints: Fingerprints) -> Flags:
        known = np.zeros(len(prints), dtype=np.bool_)
        for generation in self._generations.values():
            known |= generation.contains(prints)
        return known

    def _current(self, log_time_ms: int) -> SeenSet:
        number = max(log_time_ms // GENERATION_MS, *self._generations, 0)
        for old in [g for g in self._generations if g < number - 2]:
            del self._generations[old]
        return self._generations.setdefault(number, SeenSet())
