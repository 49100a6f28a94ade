"""Alerts of two rules matched by device and common time."""

import pytest

from udfs.rules.comparison import Lasting, Matched, match

pytestmark = pytest.mark.alerts

FROM_MS, TO_MS = 1000, 2000


def first(start_ms: int, end_ms: int | None, device: str = "a") -> Lasting:
    return Lasting(device, f"1-{device}-{start_ms}", start_ms, end_ms, is_first=True)


def second(start_ms: int, end_ms: int | None, device: str = "a") -> Lasting:
    return Lasting(device, f"2-{device}-{start_ms}", start_ms, end_ms, is_first=False)


def matched(*alerts: Lasting) -> Matched:
    return match(reversed(alerts), FROM_MS, TO_MS)


def counts(found: Matched) -> tuple[int, int, int]:
    return len(found.both), len(found.only_first), len(found.only_second)


def test_alerts_that_share_time_on_a_device_are_one_occasion() -> None:
    found = matched(first(1100, 1200), second(1150, 1300), first(1400, 1500), second(1500, 1600))
    assert counts(found) == (1, 1, 1)
    assert [alert.start_ms for alert in (*found.both[0].first, *found.both[0].second)] == [1100, 1150]
    assert (found.only_first[0].first[0].start_ms, found.only_second[0].second[0].start_ms) == (1400, 1500)


def test_the_same_time_on_another_device_is_none() -> None:
    assert counts(matched(first(1100, 1200, "a"), second(1100, 1200, "b"))) == (0, 1, 1)


def test_a_long_alert_matches_several_of_the_other_rule() -> None:
    found = matched(first(1100, 1900), second(1200, 1300), second(1400, 1500), second(1950, 1960))
    assert counts(found) == (1, 0, 1)
    assert (len(found.both[0].first), len(found.both[0].second)) == (1, 2)


def test_an_open_alert_lasts() -> None:
    assert counts(matched(first(1100, None), second(1900, 1950))) == (1, 0, 0)


def test_one_that_is_over_at_once_was_there() -> None:
    assert counts(matched(first(1100, 1100), second(1100, 1200))) == (1, 0, 0)


def test_what_lasts_outside_of_the_range_is_not_seen() -> None:
    assert counts(matched(first(900, 1000), first(2000, 2100), second(500, 600))) == (0, 0, 0)
    assert counts(matched(first(900, 1100), second(800, 950))) == (0, 1, 0)
    assert counts(matched(first(900, 1100), second(1050, 1200))) == (1, 0, 0)


def test_occasions_come_in_order_of_time() -> None:
    found = matched(first(1500, 1600, "a"), first(1100, 1200, "b"), first(1300, 1400, "a"))
    assert [one.first[0].start_ms for one in found.only_first] == [1100, 1300, 1500]
