"""The set of fingerprints against Python's own, and what a log remembers as its time goes on."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from udfs.duplicates import GENERATION_MS, MEMORY_MS, Fingerprints, SeenLog, SeenSet
from udfs.fingerprint import fingerprints

pytestmark = pytest.mark.stream

# Equal low bits make equal home slots, also after the table has grown: long probe chains.
CROWDED = st.builds(lambda high, low: (high << 40) | low, st.integers(0, 12), st.integers(1, 5))
PRINTS = st.lists(st.one_of(CROWDED, st.integers(1, 2**64 - 1)), max_size=40)
SPREAD = np.uint64(0x9E3779B97F4A7C15)
PUMP_1 = 2_457_970_772_322_068_288
NOW_MS = 1_767_225_600_000


def prints(*values: int) -> Fingerprints:
    return np.array(values, dtype=np.uint64)


@given(st.lists(PRINTS, max_size=6), PRINTS)
def test_a_set_holds_what_a_python_set_holds(batches: list[list[int]], asked: list[int]) -> None:
    seen, model = SeenSet(), set[int]()
    for batch in batches:
        fresh = sorted(set(batch) - model)
        seen.add(prints(*fresh))
        model |= set(fresh)
    everything = [*asked, *model]
    assert seen.contains(prints(*everything)).tolist() == [one in model for one in everything]


def test_a_set_that_has_grown_many_times_forgets_nothing() -> None:
    seen, values = SeenSet(), np.arange(1, 100_001, dtype=np.uint64) * SPREAD
    for part in np.array_split(values, 7):
        assert not seen.contains(part).any()
        seen.add(part)
    assert seen.contains(values).all()
    assert not seen.contains(values + np.uint64(1)).any()


def test_slots_at_the_end_of_the_table_go_on_at_its_beginning() -> None:
    seen, last = SeenSet(), np.uint64(4095)
    same_home = (np.arange(1, 200, dtype=np.uint64) << np.uint64(12)) | last
    seen.add(same_home)
    assert seen.contains(same_home).all()
    assert not seen.contains(prints(int(last))).any()


@given(st.lists(PRINTS, max_size=6))
def test_a_log_tells_first_from_again_as_a_python_set_does(batches: list[list[int]]) -> None:
    log, model = SeenLog(), set[int]()
    for batch in batches:
        expected = []
        for value in batch:
            expected.append(value not in model)
            model.add(value)
        assert log.first_seen(prints(*batch), NOW_MS).tolist() == expected


def again_after(wait_ms: int, start_ms: int) -> bool:
    """Tell whether a message repeated after `wait_ms` of steady traffic is still known."""
    log = SeenLog()
    log.first_seen(prints(1), start_ms)
    for step in range(1, wait_ms // 60_000 + 1):
        log.first_seen(prints(1000 + step), start_ms + step * 60_000)
    return not log.first_seen(prints(1), start_ms + wait_ms)[0]


@given(st.integers(0, 2 * GENERATION_MS), st.integers(0, MEMORY_MS))
def test_a_message_is_remembered_for_the_whole_memory_span(start_ms: int, wait_ms: int) -> None:
    assert again_after(wait_ms, NOW_MS + start_ms)


@given(st.integers(0, 2 * GENERATION_MS), st.integers(MEMORY_MS + 2 * GENERATION_MS, 2 * 3_600_000))
def test_a_message_is_forgotten_after_two_spans(start_ms: int, wait_ms: int) -> None:
    assert not again_after(wait_ms, NOW_MS + start_ms)


def test_log_time_that_runs_back_keeps_what_is_known() -> None:
    log = SeenLog()
    log.first_seen(prints(1), NOW_MS)
    log.first_seen(prints(2), NOW_MS - 3 * MEMORY_MS)
    log.first_seen(prints(3), NOW_MS)
    assert log.first_seen(prints(1, 2, 3, 4), NOW_MS).tolist() == [False, False, False, True]


@given(st.lists(st.text(), unique=True, max_size=50))
def test_fingerprints_of_different_texts_differ_and_are_never_empty(texts: list[str]) -> None:
    found = fingerprints(pd.Series(texts, dtype=object))
    assert len(set(found.tolist())) == len(texts)
    assert 0 not in found


def test_fingerprints_are_the_same_in_every_process_and_batch() -> None:
    """A restart reads the log again in another process: these numbers may never change."""
    alone = fingerprints(pd.Series(["demo/pump/1"], dtype=object))
    among = fingerprints(pd.Series(["x", "demo/pump/1", "x"], dtype=object))
    assert alone[0] == among[1]
    assert alone.tolist() == [PUMP_1]
