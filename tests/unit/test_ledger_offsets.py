"""Offsets and sums of the ledger against plain Python sets and dictionaries, saved and read in between."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.ledger_offsets import CHUNK, OffsetSet, Span
from catalog.ledger_state import LedgerState, PartitionBook, load_state, save_state
from catalog.ledger_sums import Sums

pytestmark = pytest.mark.sessions

NEAR_AN_EDGE = st.integers(CHUNK - 12, CHUNK + 12)
BATCHES = st.lists(st.lists(NEAR_AN_EDGE, max_size=8), max_size=4)


def held_by(spans: list[Span]) -> list[int]:
    return [n for span in spans for n in range(span.first, span.last + 1)]


@settings(deadline=None, max_examples=40)
@given(BATCHES)
def test_a_set_of_offsets_is_a_set(batches: list[list[int]]) -> None:
    offsets, known = OffsetSet(), Counter[int]()
    for batch in batches:
        repeated = offsets.add(np.array(batch, dtype=np.int64))
        for number, again in zip(batch, repeated.tolist(), strict=True):
            known[number] += 1
            assert again == (known[number] > 1)
    end = CHUNK + 20
    assert offsets.count_below(end) == len(known)
    assert offsets.end == max(known, default=-1) + 1
    assert held_by(offsets.holes(end)) == [n for n in range(end) if n not in known]


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(NEAR_AN_EDGE, st.integers(0, 9)), max_size=4), st.lists(NEAR_AN_EDGE, max_size=9))
def test_spans_count_what_is_new_and_differences_are_exact(
    spans: list[tuple[int, int]], rows: list[int]
) -> None:
    told, stored, known = OffsetSet(), OffsetSet(), set[int]()
    for first, more in spans:
        span = Span(first, first + more)
        assert told.add_span(span) == len(set(range(first, first + more + 1)) - known)
        known |= set(range(first, first + more + 1))
    stored.add(np.array(rows, dtype=np.int64))
    end = CHUNK + 30
    assert held_by(stored.beyond([told], end)) == sorted(set(rows) - known)
    assert held_by(told.beyond([stored], end)) == sorted(known - set(rows))


def test_a_whole_chunk_takes_no_memory() -> None:
    offsets = OffsetSet()
    offsets.add_span(Span(0, 3 * CHUNK - 1))
    assert list(offsets.chunks.values()) == [None, None, None]
    assert offsets.holes(3 * CHUNK) == []
    assert offsets.holes(3 * CHUNK + 2) == [Span(3 * CHUNK, 3 * CHUNK + 1)]


Row = tuple[int, int, int]
ROWS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2**64 - 1), st.integers(0, 9)), max_size=12)


@settings(deadline=None, max_examples=40)
@given(ROWS, ROWS)
def test_sums_add_up_wrap_and_keep_the_newest(first: list[Row], second: list[Row]) -> None:
    sums, wanted = Sums(("hash", "newest_ms")), dict[int, tuple[int, int]]()
    for rows in (first, second):
        keys, hashes, newest = (np.array([row[i] for row in rows], dtype=np.uint64) for i in range(3))
        sums.add(keys.astype(np.int64), hash=hashes, newest_ms=newest)
        for key, one, new in rows:
            known = wanted.get(key, (0, 0))
            wanted[key] = ((known[0] + one) % 2**64, max(known[1], new))
    assert sums.keys.tolist() == sorted(wanted)
    assert [tuple(row) for row in sums.values.tolist()] == [wanted[key] for key in sorted(wanted)]
    assert sums.at(np.array([7, 2]), "hash").tolist() == [0, wanted.get(2, (0, 0))[0]]


def test_putting_replaces_and_adds() -> None:
    sums = Sums(("found", "late"))
    sums.add(np.array([3, 1]), found=np.array([5, 6]), late=np.array([1, 1]))
    sums.put(np.array([9, 3]), found=np.array([2, 4]))
    assert sums.keys.tolist() == [1, 3, 9]
    assert sums.values.tolist() == [[6, 1], [4, 1], [2, 0]]


def test_a_state_survives_its_file(tmp_path: Path) -> None:
    state = LedgerState(snapshots={"readings": 2**62}, accounts_offset=7, reasons={"oversize": [2, 1]})
    book = state.readings[3] = PartitionBook()
    book.stored.add_span(Span(0, CHUNK + 5))
    book.repeat(np.array([4, 4], dtype=np.int64))
    state.minutes.add(np.array([29_453_760]), late=np.array([2]))
    save_state(state, tmp_path / "ledger.npz")
    found = load_state(tmp_path / "ledger.npz")
    assert found.readings[3].stored.holes(CHUNK + 8) == [Span(CHUNK + 6, CHUNK + 7)]
    assert (found.readings[3].repeated, found.readings[3].repeats) == (2, [Span(4, 4), Span(4, 4)])
    assert found.minutes.total("late") == 2
    assert (found.snapshots, found.accounts_offset) == (state.snapshots, 7)
    assert found.reasons == {"oversize": [2, 1]}


@pytest.mark.parametrize("content", [None, b"", b"no archive", b"PK\x03\x04 half"])
def test_a_state_that_cannot_be_read_is_an_empty_one(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "ledger.npz"
    if content is not None:
        path.write_bytes(content)
    assert load_state(path).snapshots == {}
