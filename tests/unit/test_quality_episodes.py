"""When a suite failed follows from what looks recorded, and what is told follows from that."""

import pytest

from catalog.quality.episodes import Episode, newest_episode
from catalog.quality.results import Outcome, failed_days
from catalog.quality.run import days_due
from catalog.quality.suite import suites
from jobs.quality.telling import Followed, changes_of
from udfs.rules.alerts import alert_id

pytestmark = pytest.mark.lakehouse

DAY_MS = 86_400_000
DAY = 20_000 * DAY_MS
HOUR = 3_600_000
FOLLOWED = Followed(3, "critical", shadow=False)


def look(hour: int, *failed: str, day: int = DAY, checks: str = "ab") -> list[Outcome]:
    return [Outcome("readings", one, day, one not in failed, DAY + hour * HOUR) for one in checks]


def at(hour: int) -> int:
    return DAY + hour * HOUR


def test_a_suite_that_never_failed_has_no_episode() -> None:
    assert newest_episode([*look(0), *look(1)], "readings") is None
    assert newest_episode(look(0, "a"), "ledger") is None


def test_an_episode_begins_with_the_first_failure_and_lasts() -> None:
    found = [*look(0), *look(1, "a"), *look(2, "a")]
    assert newest_episode(found, "readings") == Episode("readings", at(1), at(1), None, (("a", DAY),))


def test_other_checks_that_fail_change_it() -> None:
    found = [*look(1, "a"), *look(2, "a", "b"), *look(3, "b")]
    assert newest_episode(found, "readings") == Episode("readings", at(1), at(3), None, (("b", DAY),))


def test_it_is_over_when_all_that_failed_has_passed() -> None:
    found = [*look(1, "a", "b"), *look(2, "b"), *look(3), *look(4)]
    assert newest_episode(found, "readings") == Episode("readings", at(1), at(2), at(3), (("b", DAY),))


def test_a_day_nobody_looks_at_any_more_does_not_mend_itself() -> None:
    found = [*look(1, "a"), *look(30, day=DAY + DAY_MS)]
    episode = newest_episode(found, "readings")
    assert episode is not None
    assert episode.until_ms is None
    assert failed_days(found, "readings") == [DAY]


def test_a_second_failure_is_another_episode() -> None:
    episode = newest_episode([*look(1, "a"), *look(2), *look(3, "b")], "readings")
    assert episode == Episode("readings", at(3), at(3), None, (("b", DAY),))


def test_days_that_failed_are_looked_at_again_the_newest_of_them() -> None:
    now = DAY + HOUR
    assert days_due(now, [], 2) == [DAY - DAY_MS, DAY]
    failed = [DAY - 9 * DAY_MS, DAY - 5 * DAY_MS, DAY - 7 * DAY_MS, DAY - DAY_MS]
    assert days_due(now, failed, 2) == [DAY - 7 * DAY_MS, DAY - 5 * DAY_MS, DAY - DAY_MS, DAY]
    assert days_due(now, failed, 0) == [DAY - DAY_MS, DAY]


def test_an_alert_is_told_by_its_episode_and_has_the_same_id_each_time() -> None:
    suite = suites()["readings"]
    found = [*look(1, "a"), *look(2, "a", "b"), *look(3)]
    told = [changes_of(suite, found[:count], "demo", FOLLOWED) for count in (2, 4, 6, 6)]
    assert [[(one.kind, one.at_ms) for one in each] for each in told] == [
        [("raised", at(1))],
        [("raised", at(1)), ("updated", at(2))],
        [("raised", at(1)), ("updated", at(2)), ("cleared", at(3))],
        [("raised", at(1)), ("updated", at(2)), ("cleared", at(3))],
    ]
    assert {one.alert_id for each in told for one in each} == {
        alert_id("demo", "quality-readings", "table:readings", at(1))
    }
    newest = told[1][-1]
    assert (newest.rule_version, newest.severity, newest.retroactive) == (3, "critical", False)
    assert newest.evidence == {
        "metric": "failed_checks",
        "value": 2.0,
        "limit": 0.0,
        "checks": "a of 2024-10-04, b of 2024-10-04",
    }
