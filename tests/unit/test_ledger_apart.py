"""Imported rows have a line of their own in the ledger; places of forgotten devices are no gaps."""

from pathlib import Path

import pyarrow as pa
import pytest

from catalog.backfills import PARTITION
from catalog.ledger import judge
from catalog.ledger_fold import FORGOTTEN_COLUMNS, fold_account, fold_forgotten
from catalog.ledger_minutes import Cut
from catalog.ledger_offsets import OffsetSet, Span
from catalog.ledger_state import LedgerState, load_state, save_state
from tests.unit.ledger_rows import MINUTE, NOW_MS, SCHEMAS, Row, account, known, ledger, rollup

pytestmark = pytest.mark.lakehouse


def forgotten(*offsets: int, topic: str = "telemetry", partition: int = 0) -> pa.Table:
    rows = [
        {
            "topic": topic,
            "kafka_partition": partition,
            "kafka_offset": offset,
            "received_at": MINUTE * 60_000_000,
        }
        for offset in offsets
    ]
    return pa.Table.from_pylist(rows, schema=SCHEMAS["forgotten"].select(*FORGOTTEN_COLUMNS).as_arrow())


def imported(*offsets: int) -> list[Row]:
    return [Row(one, mark="late", partition=PARTITION, source="backfill") for one in offsets]


def cut(ends: dict[int, int]) -> Cut:
    return Cut(now_ms=NOW_MS, ends=ends, dead_ends={0: 0}, last_ends={0: ends.get(0, 0)})


def test_imported_rows_balance_against_the_book_of_imports() -> None:
    state = known([Row(0), Row(1), *imported(0, 1, 2)], rollup(5))
    fold_account(state, account((0, 1)))
    found = judge(state, cut({0: 2, PARTITION: 3}), {}).as_json(since_ms=0)
    assert (found["balanced"], found["accepted"], found["stored"], found["backfilled"]) == (True, 5, 5, 3)
    lines = {one["partition"]: (one["accepted"], one["stored"]) for one in found["partitions"]}
    assert lines == {0: (2, 2), PARTITION: (3, 3)}
    assert found["gateways"]["unaccounted"] == 0
    assert found["minutes"][0]["note"] == "3 imported from files"


def test_an_import_that_is_not_stored_is_missing() -> None:
    state = known([Row(0), *imported(0, 1)], rollup(3))
    found = judge(state, cut({0: 1, PARTITION: 3}), {})
    (line,) = [one for one in found.partitions if one.partition == PARTITION]
    assert (found.balanced, line.missing, line.gaps) == (False, 1, [Span(2, 2)])


def test_an_imported_row_that_is_stored_twice_is_repeated() -> None:
    found = judge(known([*imported(0, 1), *imported(1)], rollup(3)), cut({PARTITION: 2}), {})
    (line,) = found.partitions
    assert (found.balanced, line.repeated) == (False, 1)


def test_places_of_forgotten_devices_are_no_gaps() -> None:
    state = known([Row(0), Row(3)], rollup(2))
    fold_account(state, account((0, 3)))
    assert not ledger(state, 4).balanced
    fold_forgotten(state, forgotten(1, 2), "telemetry")
    fold_forgotten(state, forgotten(2), "telemetry")
    found = ledger(state, 4)
    assert (found.balanced, found.accepted, found.stored) == (True, 4, 2)
    assert [one.forgotten for one in found.partitions] == [2]
    assert found.as_json(since_ms=0)["minutes"][0]["note"] == "2 forgotten with their device"


def test_a_row_that_is_lost_beside_forgotten_ones_is_missing() -> None:
    state = known([Row(0)], rollup(1))
    fold_account(state, account((0, 3)))
    fold_forgotten(state, forgotten(1, 2), "telemetry")
    found = ledger(state, 4)
    assert (found.balanced, found.partitions[0].missing, found.partitions[0].gaps) == (False, 1, [Span(3, 3)])


def test_a_place_that_is_noted_and_still_stored_counts_as_stored() -> None:
    state = known([Row(0), Row(1)], rollup(2))
    fold_forgotten(state, forgotten(1), "telemetry")
    found = ledger(state, 2)
    assert (found.balanced, found.stored, found.partitions[0].forgotten) == (True, 2, 0)


def test_forgotten_dead_letters_are_no_gaps() -> None:
    state = LedgerState()
    fold_account(state, account(dead=[(0, 1, "not_finite")]))
    assert not ledger(state, 0, dead=2).balanced
    fold_forgotten(state, forgotten(0, 1, topic="telemetry.dead-letter"), "telemetry.dead-letter")
    assert ledger(state, 0, dead=2).balanced


def test_what_is_forgotten_survives_a_restart(tmp_path: Path) -> None:
    state = known([Row(0)], rollup(1))
    fold_forgotten(state, forgotten(1), "telemetry")
    path = tmp_path / "ledger.npz"
    save_state(state, path)
    assert ledger(load_state(path), 2).balanced


def test_sets_of_offsets_are_united() -> None:
    one, other = OffsetSet(), OffsetSet()
    one.add_span(Span(0, 70_000))
    other.add_span(Span(69_000, 140_000))
    both = one.united(other)
    assert (both.end, both.count_below(200_000), both.holes(140_002)) == (
        140_001,
        140_001,
        [Span(140_001, 140_001)],
    )
    assert one.end == 70_001
