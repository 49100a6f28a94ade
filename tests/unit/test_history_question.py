"""A question of the history, settled: which page, how fine, what a cursor may say."""

import base64

import msgspec
import pytest

from api.data_commands import sparkline
from api.problems import WrongParameterError
from api.queries.series_question import MOST_POINTS, AsOf, Wanted, settle
from api.queries.timerange import Span
from api.series_formats import chosen_format
from millrace.clock import from_iso

pytestmark = pytest.mark.web
NOW_MS = from_iso("2026-01-31T12:00:05Z")
HOUR_MS = 3_600_000
ASKED = Wanted("demo", ("a", "b"), ("x",), "-1d", "now", "1h", "minmax", None, None, None)


def test_a_page_begins_where_the_cursor_says_in_the_range_the_first_page_understood() -> None:
    first = settle(ASKED._replace(limit=5), 2, NOW_MS)
    assert first.page == Span(first.span.from_ms, first.span.from_ms + 5 * HOUR_MS)
    assert first.is_first_page
    cursor = first.next_page(first.page.to_ms, 0, {"iot.rollups_1m": 7})
    # An hour later -1d means another range, but not to this cursor.
    second = settle(ASKED._replace(limit=5, cursor=cursor), 2, NOW_MS + HOUR_MS)
    assert (second.span, second.pins) == (first.span, {"iot.rollups_1m": 7})
    assert second.page == Span(first.page.to_ms, first.page.to_ms + 5 * HOUR_MS)
    assert not second.is_first_page


def test_a_cursor_keeps_the_resolution_that_auto_chose() -> None:
    auto = ASKED._replace(resolution="auto")
    first = settle(auto, 2, NOW_MS)
    cursor = first.next_page(first.span.from_ms + HOUR_MS, 0, {})
    assert settle(auto._replace(cursor=cursor), 100, NOW_MS).step_ms == first.step_ms == 60_000


@pytest.mark.parametrize(
    "changed",
    [{"tenant": "other"}, {"devices": ("a",)}, {"metrics": ()}, {"downsample": "avg"}, {"as_of": "-1h"}],
)
def test_a_cursor_of_another_question_is_refused(changed: dict[str, object]) -> None:
    cursor = settle(ASKED, 2, NOW_MS).next_page(NOW_MS - HOUR_MS, 0, {})
    with pytest.raises(WrongParameterError, match="another question"):
        settle(ASKED._replace(cursor=cursor, **changed), 2, NOW_MS)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "place",
    [
        [ASKED.mark, 0, 10, "1h", "UTC", 10, 0, {}],
        [ASKED.mark, 0, 10, "1h", "UTC", -1, 0, {}],
        [ASKED.mark, 0, 10, "7h", "UTC", 5, 0, {}],
        [ASKED.mark, 0, 10, "1h", "Nowhere", 5, 0, {}],
        [ASKED.mark, 0, 10, "1h", "UTC", 5, -1, {}],
        [ASKED.mark, 0, 10, "1h", "UTC", 5],
        {"at_ms": 5},
    ],
)
def test_a_cursor_that_was_made_up_is_refused(place: object) -> None:
    cursor = base64.urlsafe_b64encode(msgspec.json.encode(place)).decode().rstrip("=")
    with pytest.raises(WrongParameterError, match="none that this API gave"):
        settle(ASKED._replace(cursor=cursor), 2, NOW_MS)


def test_more_points_than_an_answer_carries_are_refused_unless_there_is_a_limit() -> None:
    much = ASKED._replace(from_="-30d", resolution="10s")
    with pytest.raises(WrongParameterError, match="too much for one answer"):
        settle(much, 2, NOW_MS)
    page = settle(much._replace(limit=1000), 2, NOW_MS).page
    assert page.width_ms == 1000 * 10_000


@pytest.mark.parametrize("series", [1, 100, 5_000, 10 * MOST_POINTS])
def test_auto_never_asks_for_more_than_an_answer_carries(series: int) -> None:
    question = settle(ASKED._replace(resolution="auto"), min(series, 50_000), NOW_MS)
    assert min(series, 50_000) * question.page.width_ms // question.step_ms <= MOST_POINTS


@pytest.mark.parametrize(
    ("text", "expect"),
    [
        ("8970699080328678829", AsOf(None, 8970699080328678829)),
        ("snapshot:17", AsOf(None, 17)),
        ("1769860800000", AsOf(1769860800000, None)),
        ("-1h", AsOf(NOW_MS - HOUR_MS, None)),
    ],
)
def test_as_of_is_a_time_or_a_snapshot(text: str, expect: AsOf) -> None:
    assert settle(ASKED._replace(as_of=text), 2, NOW_MS).as_of == expect


@pytest.mark.parametrize(
    ("step", "base"), [("1m", "1m"), ("5m", "1m"), ("10m", "1m"), ("1h", "5m"), ("6h", "30m"), ("1d", "1h")]
)
def test_lttb_picks_from_points_about_ten_times_finer(step: str, base: str) -> None:
    asked = ASKED._replace(from_="-30d", downsample="lttb", resolution=step)  # type: ignore[arg-type]
    unit = {"m": 60_000, "h": HOUR_MS, "d": 24 * HOUR_MS}
    assert settle(asked, 1, NOW_MS).base_ms == int(base[:-1]) * unit[base[-1]]


@pytest.mark.parametrize(
    ("accept", "expect"),
    [
        (None, "json"),
        ("*/*", "json"),
        ("TEXT/CSV ; q=0.5", "csv"),
        ("text/html,application/json,text/csv", "json"),
        ("application/vnd.apache.parquet,text/csv", "parquet"),
    ],
)
def test_the_first_format_of_ours_in_the_accept_header_counts(accept: str | None, expect: str) -> None:
    assert chosen_format(None, accept) == expect
    assert chosen_format("arrow", accept) == "arrow"


def test_a_curve_has_at_most_60_characters_from_the_least_to_the_greatest() -> None:
    assert sparkline([0, 1, 2, 3, 4, 5, 6, 7]) == "▁▂▃▄▅▆▇█"
    assert sparkline([5.0, 5.0]) == "▁▁"
    assert len(sparkline([float(n % 9) for n in range(1441)])) == 58
