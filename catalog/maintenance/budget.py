"""How fragmented a table is, against what is allowed: from metadata, without opening a data file."""

from collections.abc import Iterable
from math import ceil
from typing import Final, NamedTuple

from catalog.maintenance.plan import DAY_MS, FileFigure, Policy, cells, size_of

# A day of a partition may have so many files while it is written to, and so many times what it needs after.
FILES_PER_DAY: Final = 96
AMPLIFICATION: Final = 4.0


class Fitness(NamedTuple):
    """Figures of one table.

    `most_files` is the number of files of its most fragmented day of a partition. `amplification` is how
    many files a scan of all days that are over opens for one that well packed days would have.
    """

    files: int
    partitions: int
    rows: int
    size_bytes: int
    most_files: int
    amplification: float

    @property
    def within_budget(self) -> bool:
        """Tell whether the table is as well packed as it should be."""
        return self.most_files <= FILES_PER_DAY and self.amplification <= AMPLIFICATION


def fitness(files: Iterable[FileFigure], policy: Policy, now_ms: int) -> Fitness:
    """Judge the files of a table."""
    found = list(files)
    days = cells(found)
    over = [day for (_, number), day in days.items() if (number + 1) * DAY_MS + policy.settle_ms <= now_ms]
    needed = sum(ceil(max(1, size_of(day)) / policy.target_bytes) for day in over)
    return Fitness(
        files=len(found),
        partitions=len({file.partition for file in found}),
        rows=sum(file.rows for file in found),
        size_bytes=size_of(found),
        most_files=max((len(day) for day in days.values()), default=0),
        amplification=round(sum(len(day) for day in over) / needed, 2) if needed else 1.0,
    )
