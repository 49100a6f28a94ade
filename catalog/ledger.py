"""The conservation ledger: accepted = stored, marks add up, rollups and dead letters hold all of it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from catalog.backfills import PARTITION as BACKFILLED
from catalog.ledger_minutes import OPEN, PENDING, WRONG, Cut, MinuteBalance, Minutes, minutes_of
from catalog.ledger_offsets import Span
from catalog.ledger_state import Books, LedgerState, PartitionBook
from catalog.marks import MARKS

SHOWN_SPANS = 5
_SHOWN_MINUTES = 20


@dataclass(frozen=True, kw_only=True)
class PartitionBalance:
    """One partition: every offset below `accepted` should be stored once.

    `accounted` offsets were told by gateways, `direct` ones came straight to Kafka, `unaccounted` are the
    rest: what a killed gateway had not told. `forgotten` ones went with their device. Of the `missing` the
    last `behind` may still come: the stream has not stored anything after them. `lost` offsets were told or
    stored, and Kafka ends before them. Partition -1 is what was imported; its book is in PostgreSQL.
    """

    partition: int
    accepted: int
    stored: int
    repeated: int
    missing: int
    behind: int
    accounted: int
    direct: int
    unaccounted: int
    forgotten: int
    lost: int
    gaps: list[Span]
    repeats: list[Span]
    unaccounted_spans: list[Span]

    @property
    def balanced(self) -> bool:
        """Nothing is missing, nothing is there twice, nothing was lost by Kafka."""
        return self.missing == 0 and self.repeated == 0 and self.lost == 0


@dataclass(frozen=True, kw_only=True)
class WindowBalance:
    """Points (one metric of one reading): what readings promise and what the highest revisions hold."""

    expected: int
    found: int
    open: int
    pending: int
    wrong: list[int]

    @property
    def balanced(self) -> bool:
        """Every window that is due holds exactly its points."""
        return not self.wrong

    def as_json(self) -> dict[str, Any]:
        """Return plain values; of the wrong windows their number."""
        return asdict(self) | {"balanced": self.balanced, "wrong": len(self.wrong)}


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that does not balance: what, where, and in words."""

    what: str
    says: str
    where: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """Both topics and the rollups at one cut."""

    taken_at_ms: int
    partitions: list[PartitionBalance]
    dead_partitions: list[PartitionBalance]
    marks: dict[str, int]
    unmarked: int
    reasons: dict[str, dict[str, int]]
    dead_letter_table: bool
    windows: WindowBalance
    minutes: Minutes
    findings: list[Finding] = field(default_factory=list)

    @property
    def accepted(self) -> int:
        """Readings Kafka acknowledged."""
        return sum(partition.accepted for partition in self.partitions)

    @property
    def stored(self) -> int:
        """Rows of `iot.readings`."""
        return sum(partition.stored for partition in self.partitions)

    @property
    def dead_letters(self) -> int:
        """Dead letters Kafka acknowledged."""
        return sum(partition.accepted for partition in self.dead_partitions)

    @property
    def balanced(self) -> bool:
        """Everything that is due is where it belongs, once."""
        books = [*self.partitions, *(self.dead_partitions if self.dead_letter_table else [])]
        marked = self.unmarked == 0 and sum(self.marks.values()) == self.stored
        return marked and all(b.balanced for b in books) and not bool(self.minutes.wrong.any())

    def wrong_minutes(self) -> list[MinuteBalance]:
        """Return the first minutes that do not balance."""
        return self.minutes.rows(np.flatnonzero(self.minutes.wrong)[:_SHOWN_MINUTES].tolist())

    def minutes_since(self, since_ms: int) -> list[MinuteBalance]:
        """Return the minutes from a moment on."""
        return self.minutes.rows(np.flatnonzero((self.minutes.keys + 1) * 60_000 > since_ms).tolist())

    def as_json(self, since_ms: int | None = None) -> dict[str, Any]:
        """Return the ledger as plain values, the verdict first; minutes from `since_ms` on, or wrong ones."""
        listed = self.wrong_minutes() if since_ms is None else self.minutes_since(since_ms)
        return {
            "balanced": self.balanced,
            "taken_at_ms": self.taken_at_ms,
            "accepted": self.accepted,
            "stored": self.stored,
            **self.marks,
            "dead_letters": self.dead_letters,
            "missing": sum(partition.missing for partition in self.partitions),
            "repeated": sum(partition.repeated for partition in self.partitions),
            "behind": sum(partition.behind for partition in self.partitions),
            "backfilled": sum(p.stored - p.repeated for p in self.partitions if p.partition == BACKFILLED),
            "forgotten": sum(partition.forgotten for partition in self.partitions),
            "gateways": {
                name: sum(getattr(partition, name) for partition in self.partitions)
                for name in ("accounted", "direct", "unaccounted")
            },
            "rollups": self.windows.as_json(),
            "dead_letter_reasons": self.reasons,
            "findings": [asdict(finding) for finding in self.findings],
            "minutes": [asdict(minute) for minute in listed],
            "partitions": [_partition(p) for p in self.partitions],
            "dead_letter_partitions": [_partition(p) for p in self.dead_partitions],
        }


def judge(state: LedgerState, cut: Cut, missing: Mapping[int, int]) -> Ledger:
    """Balance what is known at a cut; `missing` counts by minute what Kafka has and the lake has not."""
    minutes = minutes_of(state, cut, missing)
    return Ledger(
        taken_at_ms=cut.now_ms,
        partitions=_balances(state.readings, cut.ends, cut.last_ends),
        dead_partitions=_balances(state.dead_letters, cut.dead_ends, {}),
        marks={mark: state.minutes.total(mark) for mark in MARKS},
        unmarked=state.minutes.total("unmarked"),
        reasons={
            reason: {"gateways": told, "stored": stored}
            for reason, (told, stored) in sorted(state.reasons.items())
        },
        dead_letter_table=cut.dead_letter_table,
        windows=_windows(state, minutes),
        minutes=minutes,
    )


def missing_spans(books: Books, ends: Mapping[int, int]) -> dict[int, list[Span]]:
    """Return by partition which accepted offsets are not stored."""
    return {p: book(books, p).settled().holes(accepted(books, p, end)) for p, end in sorted(ends.items())}


def accepted(books: Books, partition: int, end: int) -> int:
    """Return how many messages a partition accepted: a row above the cut proves that Kafka went on."""
    return max(end, book(books, partition).settled().end)


def book(books: Books, partition: int) -> PartitionBook:
    """Return what is known of a partition."""
    return books.get(partition) or PartitionBook()


def _balances(books: Books, ends: Mapping[int, int], last_ends: Mapping[int, int]) -> list[PartitionBalance]:
    known = {partition: ends.get(partition, 0) for partition in sorted({*ends, *books})}
    return [_balance(p, book(books, p), end, last_ends.get(p)) for p, end in known.items()]


def _balance(partition: int, known: PartitionBook, end: int, last_end: int | None) -> PartitionBalance:
    settled = known.settled()
    end = max(end, settled.end)
    gaps = settled.holes(end)
    untold = known.stored.beyond([known.accounted, known.direct], end)
    highest = max(settled.end, known.accounted.end)
    present, held = known.stored.count_below(end), settled.count_below(end)
    return PartitionBalance(
        partition=partition,
        accepted=end,
        stored=present + known.repeated,
        repeated=known.repeated,
        missing=end - held,
        behind=end - settled.end,
        accounted=known.accounted.count_below(end),
        direct=known.direct.count_below(end),
        unaccounted=sum(span.size for span in untold),
        forgotten=held - present,
        lost=0 if last_end is None else max(0, highest - last_end),
        gaps=gaps[:SHOWN_SPANS],
        repeats=known.repeats[:SHOWN_SPANS],
        unaccounted_spans=untold[:SHOWN_SPANS],
    )


def _windows(state: LedgerState, minutes: Minutes) -> WindowBalance:
    judged = minutes.windows
    return WindowBalance(
        expected=state.windows.total("expected"),
        found=state.windows.total("found"),
        open=int((judged == OPEN).sum()),
        pending=int((judged == PENDING).sum()),
        wrong=minutes.keys[judged == WRONG].tolist(),
    )


def _partition(balance: PartitionBalance) -> dict[str, Any]:
    return asdict(balance) | {"balanced": balance.balanced}
