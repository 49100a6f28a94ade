"""What counters grew, against a plain reading of all values."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.queries.panes import combine, panes_of
from udfs.counters import growth, is_doubtful

VALUES = st.lists(st.integers(0, 1000).map(float), min_size=1, max_size=60)


def plain(values: list[float]) -> float:
    return sum(b - a if b >= a else b for a, b in pairwise(values))


def told(values: list[float], step_ms: int) -> tuple[float, bool]:
    panes = combine(panes_of(np.arange(len(values)) * 1000, np.array(values)), step_ms)
    numbers = [panes[name] for name in ("min", "max", "first", "last")]
    found = growth(panes["start_ms"], step_ms, panes["count"], *numbers)
    return float(found.increase.sum()), bool(found.is_sure.all())


@given(VALUES, st.sampled_from([1000, 2000]))
def test_readings_alone_or_two_to_a_pane_tell_exactly_what_was_counted(
    values: list[float], step_ms: int
) -> None:
    assert told(values, step_ms) == (plain(values), True)


@given(st.lists(st.integers(1, 50).map(float), min_size=1, max_size=60), st.integers(0, 59))
def test_wide_panes_tell_it_of_a_counter_that_began_anew_once_or_never(
    steps: list[float], reset: int
) -> None:
    values = [*np.cumsum(steps[:reset]).tolist(), *np.cumsum([0.0, *steps[reset:]]).tolist()]
    found, is_sure = told(values, 10_000)
    assert found == plain(values) or not is_sure


def test_a_pane_that_may_hide_a_reset_is_doubtful() -> None:
    hidden = np.array([[10.0, 50.0, 0.0, 60.0]])
    columns = (hidden.min(1), hidden.max(1), hidden[:, 0], hidden[:, -1])
    assert is_doubtful(np.array([4]), *columns).tolist() == [True]
    grown = np.array([[10.0, 20.0, 60.0]])
    columns = (grown.min(1), grown.max(1), grown[:, 0], grown[:, -1])
    assert is_doubtful(np.array([3]), *columns).tolist() == [False]


def test_a_step_that_no_float_can_hold_is_infinite_and_raises_nothing() -> None:
    with np.errstate(all="raise"):
        found = growth(np.array([0, 1]), 1, np.array([1, 1]), *[np.array([-1.7e308, 1.7e308])] * 4)
    assert found.increase.tolist()[1] == pytest.approx(float("inf"))
