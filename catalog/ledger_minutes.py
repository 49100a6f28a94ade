"""The ledger minute by minute: what was received in it, and what the rollups of its windows hold.

A minute means `received_at` for messages and event time for rollups: for live data the same, for a
recording two different rows.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from catalog.ledger_state import LedgerState
from catalog.marks import MARKS
from millrace.phrases import counted

MINUTE_MS = 60_000
# A minute is judged once everything received in it must have been stored.
RECEIVED_PATIENCE_MS = 90_000
# A window is judged this long after its last reading came in: it closes, is committed ...
WINDOW_PATIENCE_MS = 180_000
# ... and, with late readings, is corrected.
LATE_PATIENCE_MS = 600_000
Numbers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
# How a window stands: equal; not closed yet; differs but is young; differs.
EQUAL, OPEN, PENDING, WRONG = range(4)
_STANDING = ("window equal", "window open", "window awaits publication or correction", "window wrong")


class Cut(NamedTuple):
    """The moment a ledger is taken: ends of the topics by partition, before and after the lake was read.

    `overdue_ms` is an event time whose windows should have been published long ago; `dead_letter_table`
    says whether dead letters are stored at all.
    """

    now_ms: int
    ends: Mapping[int, int]
    dead_ends: Mapping[int, int]
    last_ends: Mapping[int, int]
    overdue_ms: int = 0
    dead_letter_table: bool = True


@dataclass(frozen=True, kw_only=True)
class MinuteBalance:
    """One minute; `note` says in words what is open or wrong."""

    minute_ms: int
    accepted_gateway: int
    accepted_kafka: int
    stored: int
    on_time: int
    late: int
    duplicate: int
    replaced: int
    dead_letters: int
    rollup_count: int
    expected_rollup_count: int
    settled: bool
    balanced: bool
    note: str


@dataclass(frozen=True, kw_only=True)
class Minutes:
    """All minutes as columns, sorted by `keys` (minutes since 1970)."""

    keys: Numbers
    figures: dict[str, Numbers]
    windows: npt.NDArray[np.int8]
    received_open: Flags
    wrong: Flags
    settled: Flags

    def rows(self, chosen: Iterable[int]) -> list[MinuteBalance]:
        """Return the minutes at these places."""
        return [self._row(place) for place in chosen]

    def _row(self, place: int) -> MinuteBalance:
        figures = {name: int(column[place]) for name, column in self.figures.items()}
        return MinuteBalance(
            minute_ms=int(self.keys[place]) * MINUTE_MS,
            settled=bool(self.settled[place]),
            balanced=not self.wrong[place],
            note="; ".join(_notes(figures, int(self.windows[place]), bool(self.received_open[place]))),
            **{name: figures[name] for name in SHOWN},
        )


SHOWN = (
    "accepted_gateway",
    "accepted_kafka",
    "stored",
    "on_time",
    "late",
    "duplicate",
    "replaced",
    "dead_letters",
    "rollup_count",
    "expected_rollup_count",
)


def minutes_of(state: LedgerState, cut: Cut, missing: Mapping[int, int]) -> Minutes:
    """Judge every minute; `missing` counts by minute messages that Kafka has and the lake has not."""
    known = np.array(sorted(missing), dtype=np.int64)
    keys = np.unique(np.concatenate((state.minutes.keys, state.windows.keys, known)))
    figures = _figures(state, keys, np.array([missing.get(int(key), 0) for key in keys], dtype=np.int64))
    received_open = (keys + 1) * MINUTE_MS > cut.now_ms - RECEIVED_PATIENCE_MS
    windows = _windows(state, keys, cut)
    wrong = ~received_open & _received_wrong(figures, cut) | (windows == WRONG)
    old = (keys + 1) * MINUTE_MS < cut.now_ms - LATE_PATIENCE_MS
    settled = ~received_open & (old | (windows == EQUAL) | (windows == WRONG))
    return Minutes(
        keys=keys,
        figures=figures,
        windows=windows,
        received_open=received_open,
        wrong=wrong,
        settled=settled,
    )


def _figures(state: LedgerState, keys: Numbers, missing: Numbers) -> dict[str, Numbers]:
    def minute(name: str) -> Numbers:
        return state.minutes.at(keys, name).astype(np.int64)

    stored = np.sum([minute(name) for name in (*MARKS, "unmarked")], axis=0)
    once = stored - minute("repeated")
    told = np.maximum(minute("accounted") - minute("forgotten"), 0)
    apart = minute("direct") + minute("backfilled")
    accepted = np.maximum(once + missing, told + apart)
    dead_told = np.maximum(minute("dead_accounted") - minute("dead_forgotten"), 0)
    return {
        "accepted_gateway": minute("accounted"),
        "accepted_kafka": accepted,
        "stored": stored,
        **{name: minute(name) for name in (*MARKS, "unmarked", "repeated")},
        **{name: minute(name) for name in ("direct", "backfilled", "forgotten")},
        "missing": accepted - once,
        "unaccounted": np.maximum(once - apart - told, 0),
        "dead_letters": np.maximum(minute("dead_stored"), dead_told),
        "dead_stored": minute("dead_stored"),
        "rollup_count": state.windows.at(keys, "found").astype(np.int64),
        "expected_rollup_count": state.windows.at(keys, "expected").astype(np.int64),
    }


def _received_wrong(figures: dict[str, Numbers], cut: Cut) -> Flags:
    wrong: Flags = (figures["missing"] > 0) | (figures["repeated"] > 0) | (figures["unmarked"] > 0)
    if cut.dead_letter_table:
        wrong |= figures["dead_letters"] > figures["dead_stored"]
    return wrong


def _windows(state: LedgerState, keys: Numbers, cut: Cut) -> npt.NDArray[np.int8]:
    def window(name: str) -> Numbers:
        return state.windows.at(keys, name).astype(np.int64)

    equal = (window("expected") == window("found")) & (window("expected_hash") == window("found_hash"))
    due = (keys <= state.published_minute) | ((keys + 1) * MINUTE_MS <= cut.overdue_ms)
    patience_ms = np.where(window("late") > 0, LATE_PATIENCE_MS, WINDOW_PATIENCE_MS)
    young = cut.now_ms - window("newest_ms") < patience_ms
    return np.select([equal, ~due, young], [EQUAL, OPEN, PENDING], WRONG).astype(np.int8)


def _notes(figures: Mapping[str, int], window: int, received_open: bool) -> Iterable[str]:
    if received_open:
        yield "still open"
    for name, words in (
        ("missing", "in Kafka but not stored"),
        ("repeated", "stored more than once"),
        ("unmarked", "without a mark"),
        ("unaccounted", "told by no gateway"),
        ("direct", "straight to Kafka"),
        ("backfilled", "imported from files"),
        ("forgotten", "forgotten with their device"),
    ):
        if figures[name]:
            yield f"{figures[name]} {words}"
    if figures["dead_letters"] > figures["dead_stored"]:
        yield f"{counted(figures['dead_letters'] - figures['dead_stored'], 'dead letter')} not stored"
    if window != EQUAL:
        state = {
            OPEN: "window open",
            PENDING: "window awaits publication or correction",
            WRONG: "window wrong",
        }
        yield f"{state[window]}: rollups hold {figures['rollup_count']} of {figures['expected_rollup_count']}"
