"""Sums by minute: sorted keys and columns of whole numbers that wrap at 2^64, so hashes can be summed."""

import numpy as np
import numpy.typing as npt

Keys = npt.NDArray[np.int64]
Column = npt.NDArray[np.uint64]


class Sums:
    """One row per minute since 1970; columns are added up, those named `newest_*` keep the largest."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names
        self.keys: Keys = np.zeros(0, dtype=np.int64)
        self.values: npt.NDArray[np.uint64] = np.zeros((0, len(names)), dtype=np.uint64)

    def add(self, keys: Keys, **columns: npt.NDArray[np.generic]) -> None:
        """Add rows; a column that is not given counts as 0."""
        new = np.zeros((len(keys), len(self.names)), dtype=np.uint64)
        for name, column in columns.items():
            new[:, self.names.index(name)] = column
        # The batch is small against what is known: reduced before it is merged.
        reduced_keys, reduced = self._reduce(keys.astype(np.int64), new)
        both = np.concatenate((self.keys, reduced_keys))
        self.keys, self.values = self._reduce(both, np.concatenate((self.values, reduced)))

    def _reduce(self, keys: Keys, values: npt.NDArray[np.uint64]) -> tuple[Keys, npt.NDArray[np.uint64]]:
        if not len(keys):
            return keys, values
        order = np.argsort(keys, kind="stable")
        ordered, rows = keys[order], values[order]
        starts = np.flatnonzero(np.concatenate(([True], np.diff(ordered) != 0)))
        reduced = np.add.reduceat(rows, starts, axis=0)
        for place, name in enumerate(self.names):
            if name.startswith("newest_"):
                reduced[:, place] = np.maximum.reduceat(rows[:, place], starts)
        return ordered[starts], reduced

    def put(self, keys: Keys, **columns: npt.NDArray[np.generic]) -> None:
        """Replace columns of rows; a key that is not known yet is added."""
        self.add(keys)
        rows = np.searchsorted(self.keys, keys)
        for name, column in columns.items():
            self.values[rows, self.names.index(name)] = column

    def column(self, name: str) -> Column:
        """Return one column, rows in the order of `keys`."""
        return self.values[:, self.names.index(name)]

    def total(self, name: str) -> int:
        """Return the sum of a column."""
        return int(self.column(name).sum())

    def at(self, keys: Keys, name: str) -> Column:
        """Return one column for the given keys, 0 where a key is not known."""
        if not len(self.keys):
            return np.zeros(len(keys), dtype=np.uint64)
        rows = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return np.where(self.keys[rows] == keys, self.column(name)[rows], np.uint64(0))
