"""Times as devices and people write them, what each means, and what is refused instead of guessed."""

from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.clock import to_iso
from millrace.event_times import UnreadableTimeError, known_zone, moments, read_time, unit_of

pytestmark = pytest.mark.gateway

BERLIN = ZoneInfo("Europe/Berlin")
NOW_MS = 1_767_225_600_000


def utc(text: str, zone: ZoneInfo | None = None) -> list[str]:
    return [to_iso(moment).replace(".000Z", "Z") for moment in moments(read_time(text), zone)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
        ("2026-01-01t00:00:00.250z", "2026-01-01T00:00:00.250Z"),
        ("2026-01-01 00:00:00Z", "2026-01-01T00:00:00Z"),
        ("  2026-01-01T00:00:00Z\r\n", "2026-01-01T00:00:00Z"),
        ("2026-01-01T00:00:00+0100", "2025-12-31T23:00:00Z"),
        ("2026-01-01T00:00:00+01", "2025-12-31T23:00:00Z"),
        ("2026-01-01T00:00:00 -03:30", "2026-01-01T03:30:00Z"),
        ("2026-01-01T00:00:00\u221201:00", "2026-01-01T01:00:00Z"),
        ("2026-01-01T00:00:00,250Z", "2026-01-01T00:00:00.250Z"),
        ("2026-01-01T00:00:00,5+0100", "2025-12-31T23:00:00.500Z"),
        ("2026-01-01T00:00:00.999999999Z", "2026-01-01T00:00:01Z"),
        ("2026-01-01T10:15Z", "2026-01-01T10:15:00Z"),
        ("2026-01-01T10Z", "2026-01-01T10:00:00Z"),
        ("2026-01-01T10:15.5Z", "2026-01-01T10:15:30Z"),
        ("2026-01-01T24:00:00Z", "2026-01-02T00:00:00Z"),
        ("2026-01-01T24:00+01:00", "2026-01-01T23:00:00Z"),
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z"),
        ("2016-12-31T23:59:60.7Z", "2017-01-01T00:00:00Z"),
        ("2017-01-01T00:59:60+01:00", "2017-01-01T00:00:00Z"),
        ("20260101T101500Z", "2026-01-01T10:15:00Z"),
        ("20260101T1015+0100", "2026-01-01T09:15:00Z"),
        ("2026-W01-4T10:00Z", "2026-01-01T10:00:00Z"),
        ("2026W014T10Z", "2026-01-01T10:00:00Z"),
        ("2026-w53-7t00:00z", "2027-01-03T00:00:00Z"),
        ("2026-001T00:00Z", "2026-01-01T00:00:00Z"),
        ("2024-366T00:00Z", "2024-12-31T00:00:00Z"),
        ("2026-1-2 3:04:05 PM Z", "2026-01-02T15:04:05Z"),
        ("2026-01-02 12:00 AM Z", "2026-01-02T00:00:00Z"),
        ("2026/01/02 03:04:05 UTC", "2026-01-02T03:04:05Z"),
        ("Thu, 01 Jan 2026 00:00:00 GMT", "2026-01-01T00:00:00Z"),
        ("Thu Jan  1 00:00:00 UTC 2026", "2026-01-01T00:00:00Z"),
        ("Thu Jan 01 2026 01:00:00 GMT+0100 (Central European Standard Time)", "2026-01-01T00:00:00Z"),
        ("2026-01-01 01:00:00 +0100 CET", "2026-01-01T00:00:00Z"),
        ("1 March 2026, 10:00 UTC", "2026-03-01T10:00:00Z"),
        ("2026-01-01T01:00:00+01:00[Europe/Berlin]", "2026-01-01T00:00:00Z"),
        ("2026-06-01T02:00:00[Europe/Berlin]", "2026-06-01T00:00:00Z"),
    ],
)
def test_a_time_that_says_its_offset_or_zone_is_one_moment(text: str, expected: str) -> None:
    assert utc(text) == [expected]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-01T12:00:00", ["2026-01-01T11:00:00Z"]),
        ("2026-07-01T12:00:00", ["2026-07-01T10:00:00Z"]),
        ("01.07.2026 12:00", ["2026-07-01T10:00:00Z"]),
        ("20260701120000", ["2026-07-01T10:00:00Z"]),
        ("20260701120000250", ["2026-07-01T10:00:00.250Z"]),
        ("2026-07-01", ["2026-06-30T22:00:00Z"]),
        ("2026-10-25T02:30:00", ["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"]),
        ("2026-10-25T01:59:59", ["2026-10-24T23:59:59Z"]),
        ("2026-10-25T03:00:00", ["2026-10-25T02:00:00Z"]),
        ("2026-03-29T02:30:00", []),
        ("2026-03-29T02:00:00", []),
        ("2026-03-29T03:00:00", ["2026-03-29T01:00:00Z"]),
        ("2026-03-28T24:00:00", ["2026-03-28T23:00:00Z"]),
        ("2017-01-01T00:59:60", ["2017-01-01T00:00:00Z"]),
    ],
)
def test_a_local_time_is_read_by_the_zone_once_twice_or_never(text: str, expected: list[str]) -> None:
    assert utc(text, BERLIN) == expected


def test_a_zone_that_moved_the_date_line_skipped_a_whole_day() -> None:
    assert utc("2011-12-30T12:00:00", ZoneInfo("Pacific/Apia")) == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "01/02/2026 12:30",
        "1.2.26 12:30",
        "12:30:00",
        "2026-01",
        "2026-W01",
        "202601",
        "2026-02-30T00:00:00Z",
        "2025-366T00:00Z",
        "2026-W54-1T00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-01-01T25:00:00Z",
        "2026-01-01T24:00:01Z",
        "2026-01-01T10:60:00Z",
        "2026-01-01T10:59:60Z",
        "2026-01-01T10:59:61Z",
        "2026-01-01T10150Z",
        "2026-01-01 13:00 PM Z",
        "2026-01-01T00:00:00+25:00",
        "2026-01-01T00:00:00 CET",
        "2026-01-01T00:00:00Z junk",
        "2026-01-01T00:00:00[Mars/Olympus]",
        "2026-01-01T00:00:00",
        "32 Foo 2026 10:00Z",
        "0000-01-01T00:00:00Z",
        "10000-01-01T00:00:00Z",
        "-0001-01-01T00:00:00Z",
        "\u0662\u0660\u0662\u0666-01-01T00:00:00Z",
        "2026-01-01T00:00:00.\u0663Z",
        "2026-01-01T00:00:00\x00Z",
        "\ud8002026-01-01T00:00:00Z",
        "nan",
        "9" * 5000,
    ],
)
def test_what_would_be_a_guess_or_does_not_exist_is_refused_in_words(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w+ \w+"):
        moments(read_time(text))


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00", "9999-12-31T24:00:00", "9999-12-31T23:59:59"])
@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "America/Adak"])
def test_the_ends_of_the_calendar_are_moments_or_refused(text: str, zone: str) -> None:
    try:
        assert len(moments(read_time(text), ZoneInfo(zone))) == 1
    except UnreadableTimeError as refused:
        assert "out of range" in str(refused)


@given(st.text(max_size=40) | st.text("0123456789-:TZ.+ ,", max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        moments(read_time(text), BERLIN)
    except UnreadableTimeError:
        pass
    except ValueError as refused:
        assert "unknown time zone" in str(refused)


@given(
    st.datetimes(timezones=st.just(ZoneInfo("UTC"))), st.sampled_from([BERLIN, ZoneInfo("Asia/Kathmandu")])
)
def test_a_moment_is_among_those_its_local_time_can_be(moment: object, zone: ZoneInfo) -> None:
    from datetime import datetime

    assert isinstance(moment, datetime)
    whole = moment.replace(microsecond=0)
    try:
        local = whole.astimezone(zone)
    except OverflowError:
        return
    found = moments(read_time(local.replace(tzinfo=None).isoformat()), zone)
    # Before zones counted whole minutes there are seconds in offsets, and both are read.
    assert round(whole.timestamp() * 1000) in found


@pytest.mark.parametrize(
    ("number", "unit"),
    [
        (NOW_MS, None),
        (NOW_MS // 1000, "seconds"),
        (NOW_MS / 1000 + 0.25, "seconds"),
        (NOW_MS * 1000, "microseconds"),
        (NOW_MS * 1_000_000, "nanoseconds"),
        (946_684_800, "seconds"),
        (946_684_799, None),
        (-1, None),
        (0, None),
        (10**300, None),
        (float("inf"), None),
    ],
)
def test_a_unit_is_recognised_by_its_size_alone(number: float, unit: str | None) -> None:
    assert unit_of(number, NOW_MS) == unit


@pytest.mark.parametrize("name", ["Europe/Berlin", "UTC", "America/Argentina/Buenos_Aires", "Etc/GMT+1"])
def test_a_known_zone_is_of_the_database(name: str) -> None:
    assert known_zone(name).key == name


@pytest.mark.parametrize(
    "name", ["", "CEST", "Europe/Nowhere", "../etc/passwd", "/etc/localtime", "a\x00b", "Europe"]
)
def test_an_unknown_zone_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="unknown time zone"):
        known_zone(name)
