"""The ledger against counting by hand: what is missing, twice, untold, or a dead letter not stored."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.commands import moment_ms
from catalog.ledger_fold import fold_account, fold_dead_letters, fold_readings
from catalog.ledger_state import LedgerState
from catalog.marks import MARKS
from millrace.errors import MillraceError
from tests.unit.ledger_rows import MINUTE, NOW_MS, Row, account, dead_letters, known, ledger, readings, rollup

pytestmark = [pytest.mark.stream, pytest.mark.sessions]

PLACES = st.tuples(st.integers(0, 14), st.sampled_from(MARKS), st.integers(0, 2))
ROWS = st.lists(PLACES.map(lambda place: Row(*place)), max_size=30)


@settings(deadline=None, max_examples=10)
@given(st.lists(ROWS, max_size=3), st.integers(0, 12))
def test_the_ledger_counts_as_one_counts_by_hand(batches: list[list[Row]], end: int) -> None:
    state, rows = LedgerState(), [row for batch in batches for row in batch]
    for batch in batches:
        fold_readings(state, readings(batch))
    found = ledger(state, end, end, end)
    held = Counter((row.partition, row.offset) for row in rows)
    for one in found.partitions:
        ends = max([end, *(row.offset + 1 for row in rows if row.partition == one.partition)])
        missing = [n for n in range(ends) if (one.partition, n) not in held]
        assert (one.accepted, one.missing) == (ends, len(missing))
        assert one.stored == sum(n for (p, _), n in held.items() if p == one.partition)
        assert one.repeated == sum(n - 1 for (p, _), n in held.items() if p == one.partition)
        shown = [n for first, last in one.gaps for n in range(first, last + 1)]
        assert shown == missing[: len(shown)]
    assert found.marks == {mark: sum(row.mark == mark for row in rows) for mark in MARKS}
    assert found.windows.expected == sum(row.mark in {"on_time", "late"} for row in rows)


def test_everything_in_its_place_balances_out_of_order_late_and_twice_sent() -> None:
    rows = [Row(2), Row(0, event=MINUTE - 3, mark="late"), Row(1), Row(3, mark="duplicate")]
    state = known(rows, rollup(2), rollup(1, minute=MINUTE - 3))
    fold_account(state, account((0, 3)))
    found = ledger(state, 4)
    assert found.balanced
    assert found.marks == {"on_time": 2, "late": 1, "duplicate": 1, "replaced": 0}
    assert (found.windows.expected, found.windows.found, found.windows.wrong) == (3, 3, [])
    (minute,) = [m for m in found.minutes_since(MINUTE * 60_000) if m.minute_ms == MINUTE * 60_000]
    assert (minute.accepted_gateway, minute.accepted_kafka, minute.stored) == (4, 4, 4)
    assert (minute.settled, minute.balanced, minute.note) == (True, True, "")


def test_a_lost_row_is_named_by_offset_and_by_minute() -> None:
    state = known([Row(0), Row(1), Row(3)], rollup(3))
    fold_account(state, account((0, 3)))
    found = ledger(state, 4)
    assert not found.balanced
    assert found.partitions[0].gaps == [(2, 2)]
    (minute,) = found.wrong_minutes()
    assert (minute.minute_ms, minute.accepted_gateway, minute.accepted_kafka, minute.stored) == (
        MINUTE * 60_000,
        4,
        4,
        3,
    )
    assert minute.note == "1 in Kafka but not stored"


def test_a_repeat_does_not_make_up_for_a_gap() -> None:
    found = ledger(known([Row(0), Row(1), Row(1)], rollup(3)), 3)
    assert (found.accepted, found.stored, found.balanced) == (3, 3, False)
    assert (found.partitions[0].repeats, found.partitions[0].gaps) == ([(1, 1)], [(2, 2)])


def test_a_row_without_a_known_mark_tips_the_balance() -> None:
    found = ledger(known([Row(0), Row(1, mark="odd")], rollup(2)), 2)
    assert found.partitions[0].balanced
    assert not found.balanced
    assert "1 without a mark" in found.wrong_minutes()[0].note


def test_what_the_stream_has_not_reached_is_behind() -> None:
    found = ledger(known([Row(0)], rollup(1)), 3)
    assert (found.partitions[0].missing, found.partitions[0].behind) == (2, 2)


def test_a_row_above_the_cut_raises_the_cut() -> None:
    found = ledger(known([Row(n) for n in range(7)], rollup(7)), 3, last_ends={0: 9})
    assert (found.balanced, found.accepted, found.stored) == (True, 7, 7)


def test_an_acknowledged_message_that_kafka_lost_tips_the_balance() -> None:
    state = known([Row(0)], rollup(1))
    fold_account(state, account((0, 4)))
    found = ledger(state, 1)
    assert (found.partitions[0].lost, found.balanced) == (4, False)


def test_what_a_killed_gateway_had_not_told_is_shown_and_is_no_error() -> None:
    state = known([Row(n) for n in range(4)] + [Row(4, source="kafka")], rollup(5))
    fold_account(state, account((0, 1)))
    found = ledger(state, 5)
    one = found.partitions[0]
    assert (one.accounted, one.direct, one.unaccounted, one.unaccounted_spans) == (2, 1, 2, [(2, 3)])
    assert found.balanced
    assert found.minutes_since(0)[0].note == "2 told by no gateway; 1 straight to Kafka"


def test_an_account_told_twice_counts_once() -> None:
    state = known([Row(0), Row(1)], rollup(2))
    for _ in range(2):
        fold_account(state, account((0, 1), dead=[(0, 0, "oversize")]))
    assert ledger(state, 2).minutes_since(0)[0].accepted_gateway == 2
    assert state.reasons == {"oversize": [1, 0]}


def test_dead_letters_match_by_reason_and_a_missing_one_shows() -> None:
    state = LedgerState()
    fold_account(state, account(dead=[(0, 1, "oversize"), (2, 2, "bad_gzip")]))
    fold_dead_letters(state, dead_letters((0, "oversize"), (2, "bad_gzip")))
    found = ledger(state, 0, dead=3)
    assert found.reasons == {
        "bad_gzip": {"gateways": 1, "stored": 1},
        "oversize": {"gateways": 2, "stored": 1},
    }
    assert (found.dead_letters, found.dead_partitions[0].gaps, found.balanced) == (3, [(1, 1)], False)
    fold_dead_letters(state, dead_letters((1, "oversize")))
    assert ledger(state, 0, dead=3).balanced


def test_without_a_table_dead_letters_are_counted_but_not_judged() -> None:
    state = LedgerState()
    fold_account(state, account(dead=[(0, 1, "oversize")]))
    found = ledger(state, 0, dead=2, dead_letter_table=False)
    assert (found.balanced, found.dead_letters) == (True, 2)


def test_the_json_says_the_verdict_first_and_lists_wrong_minutes() -> None:
    found = ledger(known([Row(0), Row(2)], rollup(2)), 3, missing={MINUTE: 1}).as_json()
    assert next(iter(found)) == "balanced"
    assert (found["balanced"], found["accepted"], found["stored"], found["missing"]) == (False, 3, 2, 1)
    assert [minute["minute_ms"] for minute in found["minutes"]] == [MINUTE * 60_000]
    assert found["partitions"][0]["gaps"] == [(1, 1)]


def test_times_are_said_in_words_people_use() -> None:
    assert moment_ms("15m", NOW_MS) == NOW_MS - 900_000
    assert moment_ms("2026-01-01T00:00:00Z", NOW_MS) == MINUTE * 60_000
    with pytest.raises(MillraceError, match="'soon' is no time"):
        moment_ms("soon", NOW_MS)
