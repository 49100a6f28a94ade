"""The columns must say what the plain functions of `udfs.hot_series` say."""

from itertools import groupby

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.queries.panes import Panes, combine, decode_hours, inside, join
from api.queries.series_points import Measure, columns_of, points
from api.queries.series_question import Wanted, settle
from api.queries.timerange import STEP_MS, Span
from udfs.hot_series import HOUR_MS, PANE_MS, SLOT_BYTES, Pane, pack, slot_offset, unpack_hour

HOUR = 1_769_857_200_000
VALUE = st.floats(-1e9, 1e9)


@st.composite
def hour_panes(draw: st.DrawFn) -> list[Pane]:
    places = draw(st.lists(st.integers(0, 359), unique=True, max_size=12))
    return [
        Pane(HOUR + place * PANE_MS, draw(st.integers(1, 2**32 - 1)), *draw(st.tuples(*[VALUE] * 5)))
        for place in sorted(places)
    ]


def stored(panes: list[Pane]) -> bytes:
    hour = bytearray(max((slot_offset(pane.start_ms) + SLOT_BYTES for pane in panes), default=0))
    for pane in panes:
        hour[slot_offset(pane.start_ms) : slot_offset(pane.start_ms) + SLOT_BYTES] = pack(pane)
    return bytes(hour)


def as_panes(columns: Panes) -> list[Pane]:
    fields = ("start_ms", "count", "min", "max", "sum", "first", "last")
    return [Pane(*row) for row in zip(*(columns[name].tolist() for name in fields), strict=True)]


@given(hour_panes())
def test_an_hour_string_decodes_to_the_same_panes_as_the_plain_decoder(panes: list[Pane]) -> None:
    assert as_panes(decode_hours([(HOUR, stored(panes))])) == list(unpack_hour(HOUR, stored(panes))) == panes


@given(st.lists(hour_panes(), max_size=4), st.integers(0, SLOT_BYTES - 1))
def test_hours_that_lie_apart_decode_as_each_alone(hours: list[list[Pane]], torn_bytes: int) -> None:
    kept = [(HOUR + 2 * n * HOUR_MS, stored(panes) + bytes(torn_bytes)) for n, panes in enumerate(hours)]
    assert as_panes(decode_hours(kept)) == [pane for start, one in kept for pane in unpack_hour(start, one)]


def test_a_slot_that_is_cut_short_is_left_out() -> None:
    whole = stored([Pane(HOUR, 1, 1, 1, 1, 1, 1), Pane(HOUR + PANE_MS, 1, 2, 2, 2, 2, 2)])
    assert [pane.minimum for pane in as_panes(decode_hours([(HOUR, whole[:-1])]))] == [1.0]


@given(hour_panes(), st.sampled_from(sorted(STEP_MS.values())))
def test_coarser_panes_equal_a_plain_reduction(panes: list[Pane], step_ms: int) -> None:
    combined = as_panes(combine(decode_hours([(HOUR, stored(panes))]), step_ms))
    groups = [
        (start, list(group))
        for start, group in groupby(panes, lambda pane: pane.start_ms // step_ms * step_ms)
    ]
    assert len(combined) == len(groups)
    for wide, (start_ms, group) in zip(combined, groups, strict=True):
        assert wide.start_ms == start_ms
        assert wide.readings == sum(pane.readings for pane in group)
        assert wide.minimum == min(pane.minimum for pane in group)
        assert wide.maximum == max(pane.maximum for pane in group)
        assert wide.total == pytest.approx(sum(pane.total for pane in group), rel=1e-9, abs=1e-3)
        assert (wide.first, wide.last) == (group[0].first, group[-1].last)


def test_what_follows_in_time_is_joined_and_only_panes_that_start_inside_a_span_are_kept() -> None:
    one = stored([Pane(HOUR, 1, 1, 1, 1, 1, 1)])
    panes = join([decode_hours([(start, one)]) for start in (HOUR, HOUR + HOUR_MS)])
    assert panes["start_ms"].tolist() == [HOUR, HOUR + HOUR_MS]
    assert inside(panes, Span(HOUR, HOUR + HOUR_MS))["start_ms"].tolist() == [HOUR]
    assert inside(panes, Span(HOUR + 1, HOUR + HOUR_MS + 1))["start_ms"].tolist() == [HOUR + HOUR_MS]
    assert len(inside(decode_hours([]), Span(0, HOUR))) == 0


def test_a_point_says_its_time_twice_and_its_average() -> None:
    wanted = Wanted("demo", ("d1",), (), str(HOUR), "now", "10s", "minmax", None, None, None)
    panes = decode_hours([(HOUR, stored([Pane(HOUR, 4, 1.0, 3.0, 8.0, 1.5, 2.5)]))])
    (point,) = points(columns_of(panes, settle(wanted, 1, HOUR + HOUR_MS), Measure(HOUR + HOUR_MS, 0)))
    assert (told := msgspec.to_builtins(point)) == {
        "time": "2026-01-31T11:00:00.000Z",
        "time_ms": HOUR,
        "count": 4,
        "min": 1.0,
        "max": 3.0,
        "avg": 2.0,
        "sum": 8.0,
        "first": 1.5,
        "last": 2.5,
    }
    assert not any(isinstance(value, np.generic) for value in told.values())
