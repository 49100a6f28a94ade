"""What becomes of an imported reading beside what is stored for its device and time: pure decisions.

The same content is not stored again. Of another value the policy says which counts: see
docs/adr/0010-identity-comes-from-content.md.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

import msgspec

from catalog.marks import LATE, REPLACED
from millrace.clock import to_iso
from millrace.reading import Location, Reading, content_id, declared_source

Outcome = Literal["new", "same", "replaced", "kept", "beside"]
OUTCOMES: Final[tuple[Outcome, ...]] = ("new", "same", "replaced", "kept", "beside")
# A device and an event time, UTC epoch milliseconds.
Key = tuple[str, int]
_NAMED: Final = 5


class Policy(NamedTuple):
    """Which value counts where there is another; `restore` = one that was replaced counts again."""

    on_conflict: str = "replace"
    restore: bool = False


@dataclass
class Held:
    """A row for a device and time; `row` is its number among those of the batch, None when it is stored."""

    metrics: Mapping[str, float]
    counted: bool
    received_at: int
    location: Location | None = None
    attributes: Mapping[str, str] | None = None
    row: int | None = None


def key_of(reading: Reading) -> Key:
    """Return where a reading may meet others of its tenant."""
    return reading.device_id, reading.event_time


class Planner:
    """Decides reading by reading, in the order of the files; `rows` and their `marks` are to be stored.

    `held` is what is stored for the readings' times, and grows. `corrected` are times at which stored rows
    are replaced. `within` names the first times at which rows of the same import differ.
    """

    def __init__(self, held: dict[Key, list[Held]], policy: Policy) -> None:
        self._held, self._policy = held, policy
        self.rows: list[Reading] = []
        self.marks: list[str] = []
        self.outcomes: Counter[str] = Counter()
        self.corrected: set[Key] = set()
        self.conflicts_within = 0
        self.within: list[str] = []

    def take(self, reading: Reading) -> Outcome:
        """Decide about a reading and remember it."""
        outcome = self._take(reading)
        self.outcomes[outcome] += 1
        return outcome

    def _take(self, reading: Reading) -> Outcome:
        there = self._held.setdefault(key_of(reading), [])
        counted = [one for one in there if one.counted]
        if not _news(reading, counted if self._policy.restore else there):
            return "same"
        news = _news(reading, counted)
        others = [one for one in counted if not news.keys().isdisjoint(one.metrics)]
        if not others:
            self._store(reading, news)
            return "new"
        self._note_within(reading, others)
        return self._settle(reading, news, others)

    def _settle(self, reading: Reading, news: dict[str, float], others: Sequence[Held]) -> Outcome:
        if self._policy.on_conflict == "both":
            self._store(reading, news)
            return "beside"
        if self._policy.on_conflict == "keep":
            rest = {name: value for name, value in news.items() if not any(name in o.metrics for o in others)}
            if rest:
                self._store(reading, rest)
            return "kept"
        self._replace(reading, news, others)
        return "replaced"

    def _replace(self, reading: Reading, news: dict[str, float], others: Sequence[Held]) -> None:
        """Store a row that stands for the others whole: what it does not say itself it takes from them."""
        merged: dict[str, float] = {}
        for one in others:
            merged |= one.metrics
            one.counted = False
            if one.row is not None:
                self.marks[one.row] = REPLACED
        last = others[-1]
        attributes = None if last.attributes is None else dict(last.attributes)
        whole = msgspec.structs.replace(
            reading,
            location=reading.location or last.location,
            attributes=reading.attributes if reading.attributes is not None else attributes,
        )
        if any(one.row is None for one in others):
            whole = msgspec.structs.replace(whole, source=declared_source(reading.source, "replace"))
            self.corrected.add(key_of(reading))
        self._store(whole, merged | news)

    def _store(self, reading: Reading, metrics: dict[str, float]) -> None:
        row = msgspec.structs.replace(
            reading,
            metrics=metrics,
            event_id=content_id(reading.event_time, metrics, reading.location, reading.attributes),
        )
        held = Held(metrics, True, row.received_at, row.location, row.attributes, len(self.rows))
        self._held[key_of(row)].append(held)
        self.rows.append(row)
        self.marks.append(LATE)

    def _note_within(self, reading: Reading, others: Sequence[Held]) -> None:
        if any(one.received_at == reading.received_at for one in others):
            self.conflicts_within += 1
            if len(self.within) < _NAMED:
                self.within.append(f"{reading.device_id} at {to_iso(reading.event_time)}")


def _news(reading: Reading, rows: Sequence[Held]) -> dict[str, float]:
    """Return the values of a reading that none of some rows says."""
    return {
        name: value
        for name, value in reading.metrics.items()
        if not any(name in one.metrics and one.metrics[name] == value for one in rows)
    }
