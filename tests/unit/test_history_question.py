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
    assert sparkline([1.7e308, -1.7e308]) == "█▁"
    assert len(sparkline([float(n % 9) for n in range(1441)])) == 58


def test_a_curve_shows_a_peak_of_one_point_among_a_month_of_them() -> None:
    values = [21.0] * 720
    values[431] = 90.0
    assert sparkline(values).count("█") == 1
    means, highs = [21.0] * 720, [21.0] * 720
    highs[431] = 90.0
    assert sparkline(means, means, highs).index("█") == 431 // 12
    lows = [21.0] * 720
    lows[3] = -40.0
    assert sparkline(means, lows, means)[0] == "▁"


# The offset of a bound says whose days are meant; a range is not widened behind the caller's back.
@pytest.mark.parametrize(
    ("asked", "zone", "clock", "span"),
    [
        # Nobody names a zone, and the bounds no offset: days of UTC.
        (("2026-03-29", "2026-03-30", None), "UTC", "UTC", ("2026-03-29T00:00Z", "2026-03-30T00:00Z")),
        (("2026-03-29T05:00", "2026-03-30", None), "UTC", "UTC", ("2026-03-29T00:00Z", "2026-03-30T00:00Z")),
        # A site's zone: 23 h.
        (
            ("2026-03-29", "2026-03-30", None),
            "Europe/Berlin",
            "Europe/Berlin",
            ("2026-03-29T00:00+01:00", "2026-03-30T00:00+02:00"),
        ),
        (
            ("2026-10-25T12:00", "2026-10-25T12:01", "Europe/Berlin"),
            "Asia/Tokyo",
            "Europe/Berlin",
            ("2026-10-25T00:00+02:00", "2026-10-26T00:00+01:00"),
        ),
        # Offsets: their own days, and exact ends.
        (
            ("2026-07-01T00:00:00+02:00", "2026-07-02T00:00:00+02:00", None),
            "UTC",
            "+02:00",
            ("2026-07-01T00:00+02:00", "2026-07-02T00:00+02:00"),
        ),
        (
            ("2026-07-01T00:00:00 02:00", "2026-07-02T00:00:00 02:00", None),
            "UTC",
            "+02:00",
            ("2026-07-01T00:00+02:00", "2026-07-02T00:00+02:00"),
        ),
        (
            ("2026-06-30T22:00:00Z", "2026-07-01T22:00:00Z", None),
            "UTC",
            "UTC",
            ("2026-06-30T22:00Z", "2026-07-01T22:00Z"),
        ),
        (
            ("2026-06-30T22:00:00Z", "2026-07-01T22:00:00Z", None),
            "Europe/Berlin",
            "Europe/Berlin",
            ("2026-07-01T00:00+02:00", "2026-07-02T00:00+02:00"),
        ),
        (
            ("2026-07-01T09:30:30+02:00", "2026-07-02T10:00:00+02:00", "Europe/Berlin"),
            "UTC",
            "Europe/Berlin",
            ("2026-07-01T09:30+02:00", "2026-07-02T10:00+02:00"),
        ),
    ],
)
def test_a_range_of_days_is_widened_only_where_it_has_no_offset(
    asked: tuple[str, str, str | None], zone: str, clock: str, span: tuple[str, str]
) -> None:
    from_, to, timezone = asked
    wanted = ASKED._replace(from_=from_, to=to, timezone=timezone, resolution="1d")
    found = settle(wanted, 1, from_iso("2027-01-01"), zone)
    assert (found.clock.name, found.span) == (clock, Span(*map(from_iso, span)))
    assert found.base_ms <= HOUR_MS or clock == "UTC"
    # Panes of the width that is read neither reach over the page's ends nor over midnight.
    assert all(bound % found.base_ms == 0 for bound in found.page)


def test_a_zone_that_is_none_is_refused_with_the_nearest() -> None:
    with pytest.raises(WrongParameterError) as caught:
        settle(ASKED._replace(timezone="europe/berln"), 1, NOW_MS)
    assert caught.value.errors[0].parameter == "timezone"
    assert "Europe/Berlin" in str(caught.value.errors[0].accepted)


def test_pages_of_local_days_begin_where_the_one_before_ended_in_the_same_zone() -> None:
    days = ASKED._replace(from_="2026-10-20", to="2026-11-01", resolution="1d", timezone="Europe/Berlin")
    first = settle(days._replace(limit=6), 1, from_iso("2027-01-01"))
    assert first.page == Span(from_iso("2026-10-20T00:00+02:00"), from_iso("2026-10-26T00:00+01:00"))
    cursor = first.next_page(first.page.to_ms, 0, {})
    second = settle(days._replace(limit=6, cursor=cursor), 1, from_iso("2027-01-01"))
    assert (second.clock.name, second.resolution) == ("Europe/Berlin", "1d")
    assert second.page == Span(first.page.to_ms, from_iso("2026-11-01T00:00+01:00"))
