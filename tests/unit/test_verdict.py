"""The classifier against a plain model, across batches, partitions and restarts."""

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from udfs.duplicates import MEMORY_MS, Fingerprints
from udfs.verdict import (
    DUPLICATE,
    NEWEST,
    PLAIN,
    REDUCE_ABOVE_ROWS,
    Batch,
    Classifier,
    wanted_hot,
)

pytestmark = pytest.mark.stream

NOW_MS = 1_767_225_600_000


class Row(NamedTuple):
    """One message of a log."""

    message: int
    partition: int = 0
    offset: int = 0
    event_time_ms: int = 0
    device: int = 1
    log_time_ms: int = NOW_MS


def batch(rows: list[Row]) -> Batch:
    columns = list(zip(*rows, strict=True))
    messages, partitions, offsets, times, devices, log_times = columns
    return Batch(
        np.array(messages, dtype=np.uint64),
        np.array(devices, dtype=np.uint64),
        *(np.array(column, dtype=np.int64) for column in (times, partitions, offsets, log_times)),
    )


class Log:
    """A topic in memory, and every question a classifier asked of it."""

    def __init__(self, messages: list[tuple[int, int]], apart_ms: int = 0) -> None:
        ends: dict[int, int] = {}
        self.rows: list[Row] = []
        self.asked: list[tuple[int, int, int]] = []
        for place, (partition, message) in enumerate(messages):
            offset = ends.get(partition, 0)
            self.rows.append(Row(message, partition, offset, place, log_time_ms=NOW_MS + place * apart_ms))
            ends[partition] = offset + 1

    def history(self, partition: int, before_offset: int, since_ms: int) -> Fingerprints:
        self.asked.append((partition, before_offset, since_ms))
        held = [
            row.message
            for row in self.rows
            if row.partition == partition and row.offset < before_offset and row.log_time_ms >= since_ms
        ]
        return np.array(held, dtype=np.uint64)

    def read(self, classifier: Classifier, cuts: list[int], start: int = 0) -> Iterator[bool]:
        """Classify from a place on in batches that end at the cuts; tell which rows are duplicates."""
        inner = sorted({cut for cut in cuts if start < cut < len(self.rows)})
        bounds = [start, *inner, len(self.rows)]
        for begin, end in pairwise(bounds):
            yield from (classifier.verdicts(batch(self.rows[begin:end])) == DUPLICATE).tolist()

    def duplicates(self) -> list[bool]:
        known: set[tuple[int, int]] = set()
        found = []
        for row in self.rows:
            found.append((row.partition, row.message) in known)
            known.add((row.partition, row.message))
        return found


MESSAGES = st.lists(st.tuples(st.integers(0, 2), st.integers(1, 6)), min_size=1, max_size=30)
CUTS = st.lists(st.integers(0, 30), max_size=6)


@given(MESSAGES, CUTS)
def test_duplicates_are_the_repeats_within_a_partition_however_batches_fall(
    messages: list[tuple[int, int]], cuts: list[int]
) -> None:
    log = Log(messages)
    assert list(log.read(Classifier(log.history), cuts)) == log.duplicates()
    assert log.asked == []


@given(MESSAGES, CUTS, st.integers(0, 30), CUTS)
def test_a_restart_anywhere_gives_every_row_the_verdict_it_had(
    messages: list[tuple[int, int]], cuts: list[int], place: int, other_cuts: list[int]
) -> None:
    log, place = Log(messages), place % len(messages)
    before = list(log.read(Classifier(log.history), cuts))
    assert list(log.read(Classifier(log.history), other_cuts, start=place)) == before[place:]


@given(MESSAGES, CUTS, st.integers(0, 30), CUTS)
def test_a_rewind_of_a_running_classifier_gives_every_row_the_verdict_it_had(
    messages: list[tuple[int, int]], cuts: list[int], place: int, other_cuts: list[int]
) -> None:
    log, place = Log(messages), place % len(messages)
    classifier = Classifier(log.history)
    before = list(log.read(classifier, cuts))
    assert list(log.read(classifier, other_cuts, start=place)) == before[place:]


def test_history_is_asked_once_for_what_lies_before_the_batch_within_the_memory() -> None:
    log = Log([(2, 7), (2, 8), (2, 7), (2, 9)], apart_ms=10)
    classifier = Classifier(log.history)
    assert list(log.read(classifier, [3], start=2)) == [True, False]
    assert log.asked == [(2, 2, NOW_MS + 20 - MEMORY_MS)]


def test_the_start_of_a_partition_needs_no_history() -> None:
    log = Log([(0, 1), (1, 1)])
    assert list(log.read(Classifier(log.history), [])) == [False, False]
    assert log.asked == []


def test_only_the_partition_that_jumped_is_read_back() -> None:
    log = Log([(0, 1), (1, 1), (0, 2), (1, 2)])
    classifier = Classifier(log.history)
    classifier.verdicts(batch(log.rows))
    classifier.verdicts(batch([Row(3, partition=0, offset=2), Row(1, partition=1, offset=1)]))
    assert [partition for partition, _, _ in log.asked] == [1]


def test_a_message_forgotten_in_log_time_is_new_again_whatever_the_event_time() -> None:
    classifier = Classifier(lambda *_: np.zeros(0, dtype=np.uint64))
    rows = [
        Row(1, offset=0),
        Row(1, offset=1, log_time_ms=NOW_MS + MEMORY_MS),
        Row(2, offset=2, log_time_ms=NOW_MS + 2 * MEMORY_MS),
        Row(1, offset=3, log_time_ms=NOW_MS + 4 * MEMORY_MS),
    ]
    verdicts = [int(classifier.verdicts(batch([row]))[0]) for row in rows]
    assert verdicts == [NEWEST, DUPLICATE, NEWEST, NEWEST]


def test_every_first_row_of_a_small_batch_goes_to_the_hot_tier() -> None:
    rows = [Row(message=n // 2 + 1, offset=n, event_time_ms=n) for n in range(REDUCE_ABOVE_ROWS)]
    verdicts = Classifier(Log([]).history).verdicts(batch(rows))
    assert verdicts.tolist() == [NEWEST, DUPLICATE] * (REDUCE_ABOVE_ROWS // 2)


def test_a_large_batch_sends_each_device_s_newest_first_row_only() -> None:
    count = REDUCE_ABOVE_ROWS + 1
    rows = [Row(n + 1, offset=n, event_time_ms=n % 400, device=n % 3) for n in range(count)]
    verdicts = Classifier(Log([]).history).verdicts(batch(rows)).tolist()
    for device in range(3):
        mine = [n for n in range(count) if n % 3 == device]
        newest = max(mine, key=lambda n: (rows[n].event_time_ms, -n))
        assert [verdicts[n] for n in mine] == [NEWEST if n == newest else PLAIN for n in mine]


@given(st.data())
def test_a_duplicate_is_never_the_newest_of_a_large_batch(data: st.DataObject) -> None:
    count = REDUCE_ABOVE_ROWS + 50
    spread = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    times, devices = spread.integers(0, 60, count), spread.integers(1, 8, count)
    first = spread.random(count) < data.draw(st.sampled_from((0.001, 0.5, 1.0)))
    rows = [Row(1, 0, n, int(times[n]), int(devices[n])) for n in range(count)]
    wanted = wanted_hot(batch(rows), first)
    assert not (wanted & ~first).any()
    for device in set(devices[first].tolist()):
        mine = first & (devices == device)
        assert times[wanted & mine].tolist() == [times[mine].max()]
    assert wanted.sum() == len(set(devices[first].tolist()))


def test_a_reading_minutes_ahead_is_not_the_newest_of_a_large_batch() -> None:
    rows = [Row(n, offset=n, event_time_ms=NOW_MS - 2_000 + n, log_time_ms=NOW_MS) for n in range(1_500)]
    rows[700] = rows[700]._replace(event_time_ms=NOW_MS + 240_000)
    wanted = wanted_hot(batch(rows), np.ones(len(rows), dtype=np.bool_))
    assert np.flatnonzero(wanted).tolist() == [1_499]
