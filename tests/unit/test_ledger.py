"""The ledger against counting by hand: what is missing, what is twice, what is beyond the cut."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.ledger import MARKS, Ledger, balance

pytestmark = pytest.mark.stream

Row = tuple[int, int, str]


def ledger(ends: dict[int, int], *batches: list[Row], dead: int = 0) -> Ledger:
    columns = [tuple(zip(*rows, strict=True)) if rows else ((), (), ()) for rows in batches]
    return balance(
        ends,
        [
            (np.array(p, dtype=np.int32), np.array(o, dtype=np.int64), np.array(m, dtype=np.str_))
            for p, o, m in columns
        ],
        dead,
    )


def whole(partition: int, end: int, mark: str = "on_time") -> list[Row]:
    return [(partition, offset, mark) for offset in range(end)]


ROWS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 14), st.sampled_from(MARKS)), max_size=40)


@given(st.lists(ROWS, max_size=4), st.integers(0, 12), st.integers(0, 12))
def test_the_ledger_counts_as_one_counts_by_hand(batches: list[list[Row]], end0: int, end1: int) -> None:
    ends = {0: end0, 1: end1}
    found = ledger(ends, *batches)
    inside = [row for rows in batches for row in rows if row[1] < ends.get(row[0], 0)]
    held = Counter((partition, offset) for partition, offset, _ in inside)
    for one in found.partitions:
        missing = [n for n in range(ends[one.partition]) if held[one.partition, n] == 0]
        assert one.stored == sum(n for (p, _), n in held.items() if p == one.partition)
        assert one.repeated == sum(n - 1 for (p, _), n in held.items() if p == one.partition)
        assert one.missing == len(missing)
        shown = [n for first, last in one.gaps for n in range(first, last + 1)]
        assert shown == missing[: len(shown)]
        assert shown == missing or len(one.gaps) == 5
    assert found.marks == {mark: sum(row[2] == mark for row in inside) for mark in MARKS}
    assert found.balanced == (held == Counter((p, n) for p, end in ends.items() for n in range(end)))


def test_a_topic_stored_whole_balances() -> None:
    found = ledger({0: 3, 1: 2}, whole(1, 2, "late"), whole(0, 3), dead=4)
    assert found.balanced
    assert (found.accepted, found.stored, found.dead_letters) == (5, 5, 4)
    assert found.as_json()["late"] == 2


def test_a_gap_is_named_and_tips_the_balance() -> None:
    found = ledger({0: 9}, [row for row in whole(0, 9) if row[1] not in (0, 4, 5, 8)])
    assert found.partitions[0].gaps == [(0, 0), (4, 5), (8, 8)]
    assert not found.balanced


def test_a_repeat_in_another_batch_tips_the_balance() -> None:
    found = ledger({0: 3}, whole(0, 3), [(0, 1, "on_time")])
    assert (found.partitions[0].repeated, found.partitions[0].missing, found.balanced) == (1, 0, False)


def test_a_repeat_does_not_make_up_for_a_gap() -> None:
    found = ledger({0: 3}, [(0, 0, "on_time"), (0, 1, "on_time"), (0, 1, "on_time")])
    assert (found.accepted, found.stored, found.balanced) == (3, 3, False)


def test_rows_beyond_the_cut_are_not_counted() -> None:
    found = ledger({0: 3}, whole(0, 7))
    assert (found.balanced, found.stored, found.marks["on_time"]) == (True, 3, 3)


def test_a_row_without_a_known_mark_tips_the_balance() -> None:
    found = ledger({0: 2}, [(0, 0, "on_time"), (0, 1, "odd")])
    assert (found.partitions[0].balanced, found.balanced) == (True, False)


def test_an_empty_topic_balances() -> None:
    assert ledger({0: 0, 1: 0}).balanced
