"""Flink's text of a map, and the fields of the device hash."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from udfs.latest import LatestValue, is_metric, metric_arguments, order_ms, orders_ms, parse_latest

pytestmark = pytest.mark.stream

# What the gateway accepts as a metric name.
NAME = st.from_regex(r"\A[A-Za-z][A-Za-z0-9_.:-]{0,63}\Z")
VALUE = st.floats(allow_nan=False, allow_infinity=False)


@given(st.dictionaries(NAME, VALUE, max_size=8))
def test_every_name_and_value_comes_back_out_of_the_text_of_a_map(metrics: dict[str, float]) -> None:
    text = "{" + ", ".join(f"{name}={value!r}" for name, value in metrics.items()) + "}"
    found = metric_arguments(text)
    assert dict(zip(found[::2], map(float, found[1::2]), strict=True)) == metrics


def test_java_s_spelling_of_extremes_is_read_exactly() -> None:
    found = metric_arguments("{a=1.0E-300, b=-1.7976931348623157E308, c=4.9E-324}")
    assert [float(text) for text in found[1::2]] == [1e-300, -1.7976931348623157e308, 5e-324]


@given(st.integers(0, 2**42), VALUE)
def test_a_stored_field_is_read_back_exactly(time_ms: int, value: float) -> None:
    assert parse_latest(f"{time_ms} {value!r}".encode()) == LatestValue(time_ms, value)


def test_service_fields_are_no_metrics() -> None:
    assert [is_metric(field) for field in (b"@event_time", b"@location", b"temperature_c")] == [
        False,
        False,
        True,
    ]


def test_a_field_with_its_order_is_read_back_too() -> None:
    assert parse_latest(b"1767225900000 21.5 1767225590000") == LatestValue(1_767_225_900_000, 21.5)


@given(st.integers(0, 2**42), st.integers(0, 2**42))
def test_nothing_counts_as_newer_than_its_arrival_and_a_wrong_clock_counts_less(
    event_ms: int, arrived_ms: int
) -> None:
    order = order_ms(event_ms, arrived_ms)
    assert order <= min(event_ms, arrived_ms)
    assert order == (
        event_ms if event_ms <= arrived_ms else arrived_ms - 10_000 * (event_ms - arrived_ms >= 10_000)
    )
    assert orders_ms(np.array([event_ms]), np.array([arrived_ms])).tolist() == [order]
