import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.problems import WrongParameterError
from api.queries.timerange import STEP_MS, Fixed, Span, automatic, parse_span, parse_time
from millrace.clock import from_iso

NOW_MS = from_iso("2026-01-31T12:00:00Z")
HOUR_MS = 3_600_000


@pytest.mark.parametrize(
    ("text", "expect"),
    [
        ("now", "2026-01-31T12:00:00Z"),
        ("-90s", "2026-01-31T11:58:30Z"),
        ("-15m", "2026-01-31T11:45:00Z"),
        ("-1h", "2026-01-31T11:00:00Z"),
        ("-2d", "2026-01-29T12:00:00Z"),
        ("2026-01-31T10:00:00Z", "2026-01-31T10:00:00Z"),
        ("2026-01-31T10:00:00.250+01:00", "2026-01-31T09:00:00.250Z"),
        ("2026-01-31T10:00:00 01:00", "2026-01-31T09:00:00Z"),
        ("2026-01-31", "2026-01-31T00:00:00Z"),
        ("1769860800000", "2026-01-31T12:00:00Z"),
    ],
)
def test_every_documented_form_of_a_time_is_understood(text: str, expect: str) -> None:
    assert parse_time(text, "from", NOW_MS) == from_iso(expect)


@pytest.mark.parametrize(
    "text",
    ["", "yesterday", "1h", "-1w", "-1.5h", "1769860800", "-999999999d", "0001-01-01", "9" * 20, "٣", "inf"],
)
def test_what_is_no_time_is_refused_with_the_parameter_and_the_forms(text: str) -> None:
    with pytest.raises(WrongParameterError) as caught:
        parse_time(text, "to", NOW_MS)
    assert caught.value.status == 422
    assert caught.value.errors[0].parameter == "to"
    assert "RFC 3339" in str(caught.value.errors[0].accepted)


@pytest.mark.parametrize(("start", "end"), [("now", "-1h"), ("-1h", "-1h")])
def test_a_range_that_does_not_run_forward_is_refused(start: str, end: str) -> None:
    with pytest.raises(WrongParameterError, match="is not before"):
        parse_span(start, end, NOW_MS)


@pytest.mark.parametrize(
    ("hours", "expect", "points"),
    [
        (1, "10s", 360),
        (2, "10s", 720),
        (10, "30s", 1200),
        (24, "1m", 1440),
        (72, "5m", 864),
        (24 * 7, "10m", 1008),
        (24 * 30, "1h", 720),
        (24 * 365, "12h", 730),
        (24 * 3650, "1d", 3650),
    ],
)
def test_auto_comes_as_near_to_1000_points_as_it_can(hours: int, expect: Fixed, points: int) -> None:
    assert automatic(hours * HOUR_MS, 10**6) == expect
    assert hours * HOUR_MS // STEP_MS[expect] == points


def test_auto_gets_coarser_until_an_answer_can_carry_it() -> None:
    assert automatic(24 * HOUR_MS, 1000) == "5m"
    assert automatic(24 * HOUR_MS, 1) == "1d"
    assert automatic(365 * 24 * HOUR_MS, 1) == "1d"


@given(st.integers(0, 10**13), st.integers(1, 10**9), st.sampled_from(sorted(STEP_MS.values())))
def test_an_aligned_span_covers_the_asked_one_and_grows_by_less_than_a_step_at_each_end(
    from_ms: int, width_ms: int, step_ms: int
) -> None:
    asked = Span(from_ms, from_ms + width_ms)
    aligned = asked.aligned(step_ms)
    assert aligned.from_ms % step_ms == aligned.to_ms % step_ms == 0
    assert 0 <= asked.from_ms - aligned.from_ms < step_ms
    assert 0 <= aligned.to_ms - asked.to_ms < step_ms


@given(*[st.integers(0, 100)] * 4)
def test_a_cut_holds_exactly_the_common_milliseconds(a: int, b: int, c: int, d: int) -> None:
    one, two = Span(min(a, b), max(a, b)), Span(min(c, d), max(c, d))
    cut = one.cut(two)
    assert set(range(*cut)) == set(range(*one)) & set(range(*two))
    assert cut.width_ms >= 0
