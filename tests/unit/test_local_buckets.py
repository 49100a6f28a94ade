"""Hours, days, weeks and months as clocks of real zones show them."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.clock import from_iso
from udfs.local_buckets import DAY_MS, HOUR_MS, Buckets, Step, local_clock

ZONES = (
    "Europe/Berlin", "America/New_York", "America/Havana", "Asia/Kolkata", "Asia/Kathmandu", "Africa/Cairo",
    "Australia/Lord_Howe", "Pacific/Apia", "America/St_Johns", "Africa/Casablanca", "America/Sao_Paulo",
    "Australia/Eucla", "UTC", "+05:45",
)  # fmt: skip
STEPS: tuple[Step, ...] = (600_000, HOUR_MS // 2, HOUR_MS, 6 * HOUR_MS, DAY_MS, "week", "month")
MOMENTS = st.integers(0, from_iso("2060-01-01"))


def hours(zone: str, step: Step, from_: str, to: str) -> list[tuple[str, float]]:
    edges = Buckets(local_clock(zone), step).edges(from_iso(from_), from_iso(to)).tolist()
    clock = ZoneInfo(zone)
    begins = [datetime.fromtimestamp(edge / 1000, clock).isoformat(timespec="minutes") for edge in edges]
    widths = [(end - begin) / HOUR_MS for begin, end in pairwise(edges)]
    return list(zip(begins, widths, strict=False))


@pytest.mark.parametrize(
    ("zone", "step", "from_", "to", "expect"),
    [
        (
            "Europe/Berlin",
            DAY_MS,
            "2026-03-29T00:00+01:00",
            "2026-03-29T12:00Z",
            [("2026-03-29T00:00+01:00", 23)],
        ),
        ("Europe/Berlin", DAY_MS, "2026-10-24T22:00Z", "2026-10-25T12:00Z", [("2026-10-25T00:00+02:00", 25)]),
        # The clocks go back to midnight: the day holds it twice.
        (
            "America/Havana",
            DAY_MS,
            "2026-11-01T12:00Z",
            "2026-11-01T13:00Z",
            [("2026-11-01T00:00-04:00", 25)],
        ),
        # And here there is none.
        (
            "America/Havana",
            DAY_MS,
            "2026-03-08T12:00Z",
            "2026-03-08T13:00Z",
            [("2026-03-08T01:00-04:00", 23)],
        ),
        (
            "Europe/Berlin",
            "week",
            "2026-10-25T12:00Z",
            "2026-10-25T13:00Z",
            [("2026-10-19T00:00+02:00", 169)],
        ),
        ("Europe/Berlin", "month", "2026-03-02", "2026-03-03", [("2026-03-01T00:00+01:00", 743)]),
        ("Asia/Kolkata", HOUR_MS, "2026-01-01T00:00Z", "2026-01-01T00:10Z", [("2026-01-01T05:00+05:30", 1)]),
        (
            "Asia/Kathmandu",
            HOUR_MS,
            "2026-01-01T00:20Z",
            "2026-01-01T00:30Z",
            [("2026-01-01T06:00+05:45", 1)],
        ),
        # A repeated hour is two; half an hour more is none of its own.
        (
            "Europe/Berlin",
            HOUR_MS,
            "2026-10-25T00:00Z",
            "2026-10-25T02:00Z",
            [("2026-10-25T02:00+02:00", 1), ("2026-10-25T02:00+01:00", 1)],
        ),
        (
            "Australia/Lord_Howe",
            HOUR_MS,
            "2026-04-04T14:30Z",
            "2026-04-04T14:40Z",
            [("2026-04-05T01:00+11:00", 1.5)],
        ),
        # Samoa left out a day.
        (
            "Pacific/Apia",
            DAY_MS,
            "2011-12-30T00:00Z",
            "2011-12-30T12:00Z",
            [("2011-12-29T00:00-10:00", 24), ("2011-12-31T00:00+14:00", 24)],
        ),
    ],
)
def test_a_bucket_is_as_long_as_the_clocks_of_its_zone_make_it(
    zone: str, step: Step, from_: str, to: str, expect: list[tuple[str, float]]
) -> None:
    assert hours(zone, step, from_, to) == expect


@given(MOMENTS, st.sampled_from(ZONES), st.sampled_from(STEPS))
def test_a_moment_lies_in_the_bucket_of_its_local_time(time_ms: int, zone: str, step: Step) -> None:
    buckets = Buckets(local_clock(zone), step)
    begin_ms, end_ms = buckets.begin(time_ms), buckets.end(time_ms + 1)
    assert begin_ms <= time_ms < end_ms
    assert (buckets.begin(begin_ms), buckets.end(end_ms), buckets.after(time_ms, 1)) == (
        begin_ms,
        end_ms,
        end_ms,
    )
    assert begin_ms % buckets.base_ms(begin_ms, end_ms) == end_ms % buckets.base_ms(begin_ms, end_ms) == 0
    if step in (DAY_MS, "month"):
        form = "%Y-%m-%d" if step == DAY_MS else "%Y-%m"
        shown = {local(at_ms, zone).strftime(form) for at_ms in (begin_ms, time_ms, end_ms - 1)}
        assert len(shown) == 1
        assert local(end_ms, zone).strftime(form) not in shown


def local(time_ms: int, zone: str) -> datetime:
    moment = datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=time_ms)
    offset = int(local_clock(zone).offset_at(time_ms))  # type: ignore[arg-type]
    shown = moment + timedelta(milliseconds=offset)
    if zone[0] not in "+-":
        assert shown.replace(tzinfo=None) == moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    return shown


@pytest.mark.parametrize(
    ("text", "latest", "expect"),
    [
        ("2026-10-25T02:30", False, "2026-10-25T00:30Z"),
        ("2026-10-25T02:30", True, "2026-10-25T01:30Z"),
        ("2026-03-29T02:30", False, "2026-03-29T01:00Z"),
        ("2026-07-01", False, "2026-06-30T22:00Z"),
    ],
)
def test_a_local_time_is_the_moment_at_which_the_clocks_showed_it(
    text: str, latest: bool, expect: str
) -> None:
    assert local_clock("Europe/Berlin").moment(from_iso(text), latest=latest) == from_iso(expect)
