"""LTTB against a plain reading of the thesis, and what it promises of any series."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from udfs.lttb import lttb

T0_MS = 1_769_860_800_000


def plain(times: list[int], values: list[float], most: int) -> list[int]:
    """The algorithm of section 4.2 in loops, areas by the determinant."""
    buckets = [range(1 + i * (len(times) - 2) // (most - 2), 1 + (i + 1) * (len(times) - 2) // (most - 2))
               for i in range(most - 2)]  # fmt: skip
    kept = [0]
    for place, bucket in enumerate(buckets):
        following = buckets[place + 1] if place + 1 < len(buckets) else [len(times) - 1]
        mean_t = sum(times[i] - times[0] for i in following) / len(following)
        mean_v = sum(values[i] for i in following) / len(following)
        a_t, a_v = times[kept[-1]] - times[0], values[kept[-1]]
        areas = [
            abs((a_t - mean_t) * (values[i] - a_v) - (a_t - (times[i] - times[0])) * (mean_v - a_v)) / 2
            for i in bucket
        ]
        kept.append(bucket[areas.index(max(areas))])
    return [*kept, len(times) - 1]


def columns(values: list[float], step_ms: int = 10_000) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    return T0_MS + np.arange(len(values)) * step_ms, np.array(values, float)


@given(st.lists(st.integers(-50, 50), min_size=4, max_size=200), st.integers(3, 40))
def test_the_same_points_are_kept_as_by_a_plain_reading_of_the_thesis(values: list[int], most: int) -> None:
    times, floats = columns([float(value) for value in values])
    kept = lttb(times, floats, most)
    if len(values) > most:
        assert kept.tolist() == plain(times.tolist(), floats.tolist(), most)
    else:
        assert kept.tolist() == list(range(len(values)))


@given(st.lists(st.floats(-1e6, 1e6), min_size=0, max_size=300), st.integers(3, 50))
def test_the_ends_stay_the_order_stays_and_no_more_is_kept_than_asked(values: list[float], most: int) -> None:
    kept = lttb(*columns(values), most).tolist()
    assert kept == sorted(set(kept))
    assert len(kept) == min(len(values), most)
    if values:
        assert (kept[0], kept[-1]) == (0, len(values) - 1)


def test_a_single_spike_in_a_flat_line_is_kept() -> None:
    values = [1.0] * 1000
    values[437] = 9.0
    assert 437 in lttb(*columns(values), 10)


def test_equal_triangles_keep_the_earliest_point() -> None:
    assert lttb(*columns([0.0] * 12), 4).tolist() == [0, 1, 6, 11]


def test_fewer_points_than_a_triangle_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 3"):
        lttb(*columns([1.0, 2.0]), 2)
