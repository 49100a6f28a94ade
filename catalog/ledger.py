"""The conservation ledger: what Kafka acknowledged against what `iot.readings` holds, offset by offset."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

MARKS = ("on_time", "late", "duplicate")
_SHOWN_GAPS = 5
Offsets = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class PartitionBalance:
    """One partition up to the cut: every offset below `accepted` should be stored once."""

    partition: int
    accepted: int
    stored: int
    repeated: int
    missing: int
    gaps: list[tuple[int, int]]

    @property
    def balanced(self) -> bool:
        """Nothing is missing and nothing is there twice."""
        return self.missing == 0 and self.repeated == 0


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """The whole topic at one cut: offsets below Kafka's end offsets when the ledger was asked for."""

    partitions: list[PartitionBalance]
    marks: dict[str, int]
    dead_letters: int

    @property
    def accepted(self) -> int:
        """Messages Kafka acknowledged."""
        return sum(partition.accepted for partition in self.partitions)

    @property
    def stored(self) -> int:
        """Rows of `iot.readings`."""
        return sum(partition.stored for partition in self.partitions)

    @property
    def balanced(self) -> bool:
        """Accepted = stored, each coordinate once, and every row carries one of the marks."""
        marked = sum(self.marks.values()) == self.stored
        return marked and all(partition.balanced for partition in self.partitions)

    def as_json(self) -> dict[str, Any]:
        """Return the ledger as plain values, the verdict first."""
        head = {"balanced": self.balanced, "accepted": self.accepted, "stored": self.stored}
        tail = [asdict(p) | {"balanced": p.balanced} for p in self.partitions]
        return head | self.marks | {"dead_letters": self.dead_letters, "partitions": tail}


@dataclass(kw_only=True)
class Tally:
    """Counts stored coordinates of one partition, one byte an offset."""

    accepted: int
    repeated: int = 0
    seen: npt.NDArray[np.bool_] = field(init=False)

    def __post_init__(self) -> None:
        self.seen = np.zeros(self.accepted, dtype=np.bool_)

    def add(self, offsets: Offsets) -> None:
        """Count rows below the cut."""
        below = offsets[offsets < self.accepted]
        distinct = np.unique(below)
        self.repeated += len(below) - len(distinct) + int(self.seen[distinct].sum())
        self.seen[distinct] = True

    def balance(self, partition: int) -> PartitionBalance:
        """Say what is missing and what is repeated."""
        present = int(self.seen.sum())
        return PartitionBalance(
            partition=partition,
            accepted=self.accepted,
            stored=present + self.repeated,
            repeated=self.repeated,
            missing=self.accepted - present,
            gaps=_gaps(self.seen),
        )


def balance(
    ends: dict[int, int],
    rows: Iterable[tuple[npt.NDArray[np.int32], Offsets, npt.NDArray[np.str_]]],
    dead: int,
) -> Ledger:
    """Balance end offsets by partition against batches of (partition, offset, mark) columns."""
    tallies = {partition: Tally(accepted=end) for partition, end in ends.items()}
    marks = dict.fromkeys(MARKS, 0)
    for partitions, offsets, row_marks in rows:
        for partition, tally in tallies.items():
            here = partitions == partition
            tally.add(offsets[here])
            inside = row_marks[here & (offsets < tally.accepted)]
            for mark in MARKS:
                marks[mark] += int((inside == mark).sum())
    return Ledger(
        partitions=[tally.balance(partition) for partition, tally in sorted(tallies.items())],
        marks=marks,
        dead_letters=dead,
    )


def _gaps(seen: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate(([True], seen, [True])).astype(np.int8)))
    pairs = edges.reshape(-1, 2)[:_SHOWN_GAPS]
    return [(int(first), int(after) - 1) for first, after in pairs]
