"""What is told anew of a device's sessions, from the readings around its late ones."""

from typing import Any

import numpy as np
import pytest

from catalog.filters import joined_spans
from udfs.session_corrections import Outcome, Part, Span, Terms, Told, Touched, correct, parts_around
from udfs.sessions import sessionize

pytestmark = pytest.mark.sessions

WITHIN, GAP = 60, 20
TERMS = Terms("hall", "pump", WITHIN, 10_000)
Readings = list[tuple[int, bool]]


def told(start: int, end: int, readings: int, revision: int = 0, **more: Any) -> Told:
    row = Told(start, end, readings, 0, None, None, None, None, "yard", "fan", 0, revision, False)
    return row._replace(**more)


def outcome(readings: Readings, before: list[Told], reach: int = 0, terms: Terms = TERMS) -> Outcome:
    """Correct a device that has these readings (time, late) and these sessions told, oldest first."""
    touched = [Touched(time, time, reach) for time, late in readings if late]
    found = Outcome([], [], {})
    for part in parts_around(touched, before, WITHIN):
        inside = [one for one in sorted(readings) if part.span.from_ms <= one[0] <= part.span.to_ms]
        times, late = np.array([one[0] for one in inside]), np.array([one[1] for one in inside])
        nothing = np.full(len(inside), np.nan)
        more = correct(part, sessionize(times, nothing, nothing, late, WITHIN, GAP), terms)
        found = Outcome(found.told + more.told, found.settled + more.settled, found.waiting | more.waiting)
    return found


CASES: dict[str, tuple[Readings, list[Told], list[Told]]] = {
    "a late reading inside": (
        [(1_000, False), (1_010, True), (1_015, False)],
        [told(1_000, 1_015, 2)],
        [told(1_000, 1_015, 3, 1, late=1)],
    ),
    "a late reading that was counted already": (
        [(1_000, False), (1_010, True)],
        [told(1_000, 1_010, 2, late=1)],
        [],
    ),
    "the end moves": (
        [(1_000, False), (1_060, True)],
        [told(1_000, 1_000, 1)],
        [told(1_000, 1_060, 2, 1, late=1, gaps=1)],
    ),
    "the start moves": (
        [(940, True), (1_000, False)],
        [told(1_000, 1_000, 1)],
        [
            told(940, 1_000, 2, 1, late=1, gaps=1),
            told(1_000, 1_000, 1, 1, superseded=True),
        ],
    ),
    "one millisecond too far to join": (
        [(1_000, False), (1_061, True)],
        [told(1_000, 1_000, 1)],
        [told(1_061, 1_061, 1, 1, late=1, site="hall", profile="pump")],
    ),
    "two sessions become one": (
        [(1_000, False), (1_050, True), (1_100, False)],
        [told(1_000, 1_000, 1, 2), told(1_100, 1_100, 1, 4)],
        [told(1_000, 1_100, 3, 3, late=1, gaps=2), told(1_100, 1_100, 1, 5, superseded=True)],
    ),
    "a session nobody told": (
        [(1_000, True), (1_010, True)],
        [],
        [told(1_000, 1_010, 2, 1, late=2, site="hall", profile="pump")],
    ),
    "a superseded session that stands again": (
        [(1_000, True)],
        [told(1_000, 1_000, 1, 3, superseded=True)],
        [told(1_000, 1_000, 1, 4, late=1)],
    ),
    "a session told under other terms falls into two": (
        [(1_000, True), (1_500, False)],
        [told(1_000, 1_500, 2)],
        [told(1_000, 1_000, 1, 1, late=1), told(1_500, 1_500, 1, 1)],
    ),
    "neighbours are left alone": (
        [(500, False), (1_000, True), (1_500, False)],
        [told(500, 500, 1), told(1_500, 1_500, 1)],
        [told(1_000, 1_000, 1, 1, late=1, site="hall", profile="pump")],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_only_what_differs_is_told(name: str) -> None:
    readings, before, expected = CASES[name]
    found = outcome(readings, before)
    assert sorted(found.told) == sorted(expected)
    assert found.waiting == {}
    assert len(found.settled) == sum(late for _, late in readings)


def test_what_was_told_once_is_not_told_again() -> None:
    for readings, before, expected in CASES.values():
        newest = {row.start_ms: row for row in [*before, *expected]}
        assert outcome(readings, sorted(newest.values())).told == []


def test_a_session_that_may_still_grow_waits_for_its_end_to_pass() -> None:
    readings: Readings = [(1_000, False), (1_010, True)]
    for final_ms, waiting in ((1_070, {Touched(1_010, 1_010, WITHIN): 1_070}), (1_071, {})):
        found = outcome(readings, [], WITHIN, TERMS._replace(final_ms=final_ms))
        assert found.waiting == waiting
        assert len(found.told) == (0 if waiting else 1)


def test_a_session_that_reaches_beyond_what_was_read_is_looked_at_further() -> None:
    readings: Readings = [(time, time == 1_500) for time in range(1_000, 2_000, 50)]
    assert outcome(readings, []).waiting == {Touched(1_500, 1_500): 0}
    assert outcome(readings, [], reach=400).waiting == {Touched(1_500, 1_500, 400): 0}
    found = outcome(readings, [], reach=500)
    assert [(row.start_ms, row.end_ms, row.readings) for row in found.told] == [(1_000, 1_950, 20)]


def test_stretches_near_each_other_are_read_in_one_part() -> None:
    before = [told(1_000, 1_010, 1), told(5_000, 5_010, 1)]
    touched = [Touched(5_050, 5_050), Touched(1_100, 1_100), Touched(1_005, 1_007), Touched(9_000, 9_000)]
    assert parts_around(touched, before, WITHIN) == [
        Part(Span(940, 1_160), [Touched(1_005, 1_007), Touched(1_100, 1_100)], [before[0]]),
        Part(Span(4_940, 5_110), [Touched(5_050, 5_050)], [before[1]]),
        Part(Span(8_940, 9_060), [Touched(9_000, 9_000)], []),
    ]


@pytest.mark.parametrize(
    ("spans", "most", "expected"),
    [
        ([(5, 6)], 3, [(5, 6)]),
        ([(8, 9), (1, 2), (2, 3)], 3, [(1, 3), (8, 9)]),
        ([(0, 1), (10, 11), (12, 13), (90, 91)], 3, [(0, 1), (10, 13), (90, 91)]),
        ([(0, 1), (10, 11), (12, 13), (90, 91)], 2, [(0, 13), (90, 91)]),
        ([(0, 1), (10, 11), (90, 91)], 1, [(0, 91)]),
        ([(0, 50), (10, 20), (60, 61)], 9, [(0, 50), (60, 61)]),
    ],
)
def test_a_scan_covers_all_spans_with_few_ranges(
    spans: list[tuple[int, int]], most: int, expected: list[tuple[int, int]]
) -> None:
    assert joined_spans(spans, most) == expected
