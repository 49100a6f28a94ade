"""Range writes laid into strings must leave what writing pane by pane leaves."""

from collections.abc import Iterable

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from udfs.hot_series import HOUR_MS, KEEP_MS, PANE_MS, SLOT_BYTES, Pane, pack, series_key, slot_offset
from udfs.hot_writes import SLOT_FIELDS, RangeWrite, range_writes

pytestmark = pytest.mark.stream

HOUR = 1_767_225_600_000
Row = tuple[str, str, str, Pane]
VALUE = st.floats(allow_nan=False)
PANES = st.builds(
    lambda place, readings, values: Pane(HOUR + place * PANE_MS, readings, *values),
    st.integers(340, 380),
    st.integers(1, 2**32 - 1),
    st.tuples(VALUE, VALUE, VALUE, VALUE, VALUE),
)
NAMES = st.sampled_from(["a", "b", "a.b:c"])
ROWS = st.lists(st.tuples(NAMES, NAMES, NAMES, PANES), max_size=40)


def frame(rows: list[Row]) -> pd.DataFrame:
    columns = ["tenant", "device_id", "metric", "start_ms", *SLOT_FIELDS]
    return pd.DataFrame([(*names, *pane) for *names, pane in rows], columns=columns)


def writes(rows: list[Row], now_ms: int = HOUR) -> list[RangeWrite]:
    return list(range_writes(frame(rows), now_ms))


def lay(places: Iterable[tuple[str, int, bytes]]) -> dict[str, bytes]:
    """Do what SETRANGE does."""
    strings: dict[str, bytearray] = {}
    for key, offset, slots in places:
        held = strings.setdefault(key, bytearray())
        held.extend(bytes(max(0, offset + len(slots) - len(held))))
        held[offset : offset + len(slots)] = slots
    return {key: bytes(held) for key, held in strings.items()}


def series(*places: int) -> list[Row]:
    return [("t", "d", "m", Pane(HOUR + place * PANE_MS, 1, *([float(place)] * 5))) for place in places]


@given(ROWS)
def test_a_batch_leaves_what_writing_pane_by_pane_leaves(rows: list[Row]) -> None:
    one_by_one = [(series_key(t, d, m, p.start_ms), slot_offset(p.start_ms), pack(p)) for t, d, m, p in rows]
    assert lay(write[:3] for write in writes(rows)) == lay(one_by_one)


@given(ROWS)
def test_no_write_leaves_its_hour_and_each_expires_with_it(rows: list[Row]) -> None:
    for write in writes(rows):
        hour_ms = int(write.key.rsplit(":", 1)[1]) * 1000
        assert write.offset + len(write.slots) <= 360 * SLOT_BYTES
        assert write.expires_at_ms == hour_ms + KEEP_MS


def test_neighbours_become_one_write_in_any_order_of_arrival() -> None:
    (write,) = writes(series(7, 5, 6))
    assert (write.offset, len(write.slots)) == (5 * SLOT_BYTES, 3 * SLOT_BYTES)
    assert write.slots == b"".join(pack(pane) for *_, pane in series(5, 6, 7))


def test_a_missing_pane_is_not_written_over() -> None:
    assert [(w.offset // SLOT_BYTES, len(w.slots) // SLOT_BYTES) for w in writes(series(5, 6, 8))] == [
        (5, 2),
        (8, 1),
    ]


def test_a_run_breaks_at_the_hour() -> None:
    last, first = writes(series(359, 360))
    assert (last.key, last.offset) == (series_key("t", "d", "m", HOUR), 359 * SLOT_BYTES)
    assert (first.key, first.offset) == (series_key("t", "d", "m", HOUR + HOUR_MS), 0)


def test_series_that_touch_in_time_stay_apart() -> None:
    rows = series(1, 2)
    rows[1] = ("t", "d", "other", rows[1][3])
    assert {write.key for write in writes(rows)} == {
        series_key("t", "d", "m", HOUR),
        series_key("t", "d", "other", HOUR),
    }


def test_the_later_row_of_the_same_pane_wins() -> None:
    rows = [("t", "d", "m", Pane(HOUR, count, 1.0, 1.0, 1.0, 1.0, 1.0)) for count in (9, 3, 5)]
    assert lay(write[:3] for write in writes(rows))[series_key("t", "d", "m", HOUR)] == pack(rows[-1][3])


@pytest.mark.parametrize(("ahead_ms", "kept"), [(0, [360]), (-1, [0, 360])])
def test_panes_of_an_hour_that_is_gone_are_left_out(ahead_ms: int, kept: list[int]) -> None:
    found = writes(series(0, 360), now_ms=HOUR + KEEP_MS + ahead_ms)
    assert [write.key for write in found] == [series_key("t", "d", "m", HOUR + n * PANE_MS) for n in kept]


def test_an_empty_batch_writes_nothing() -> None:
    assert writes([]) == []
