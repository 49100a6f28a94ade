"""The version of a rule in force follows from the log."""

import json

import msgspec
import pytest

from udfs.rules.arrived import ArrivedRule
from udfs.rules.reading import RuleDevice
from udfs.rules.rule_timeline import (
    DELAY_MS,
    MOST_KEPT,
    KnownRule,
    RuleTimeline,
    known_rule,
    restored,
)

DEVICE = RuleDevice("acme", "pump-1")


def known(version: int, log_time_ms: int, above: float = 80, state: str = "enabled") -> KnownRule:
    when = {"kind": "threshold", "metric": "t", "raise_above": above}
    definition = json.dumps({"rule": "hot", "when": when})
    return known_rule(ArrivedRule("acme", "hot", version, log_time_ms, state, definition))


def version_at(timeline: RuleTimeline, log_time_ms: int) -> int | None:
    one = timeline.book_at(log_time_ms).rules_for(DEVICE).by_name.get("hot")
    return one.version if one else None


def test_a_version_is_in_force_from_three_seconds_after_it() -> None:
    timeline = RuleTimeline()
    timeline.put("hot", known(1, 10_000))
    timeline.put("hot", known(2, 20_000))
    moments = [12_999, 13_000, 22_999, 23_000, 30_000, 14_000]
    assert [version_at(timeline, at_ms) for at_ms in moments] == [None, 1, 1, 2, 2, 1]


@pytest.mark.parametrize("state", ["disabled", "deleted"])
def test_what_is_out_of_force_judges_nothing(state: str) -> None:
    timeline = RuleTimeline()
    timeline.put("hot", known(1, 0))
    timeline.put("hot", known(2, 5_000, state=state))
    assert [version_at(timeline, at_ms) for at_ms in (7_999, 8_000)] == [1, None]


def test_the_same_and_older_versions_change_nothing() -> None:
    timeline = RuleTimeline()
    assert [timeline.put("hot", one) for one in (known(2, 0), known(2, 0), known(1, 9_000))] == [
        True,
        False,
        False,
    ]
    assert version_at(timeline, 20_000) == 2


def test_a_version_that_is_no_rule_leaves_the_one_before_in_force() -> None:
    timeline = RuleTimeline()
    timeline.put("hot", known(1, 0))
    with pytest.raises(msgspec.ValidationError):
        timeline.put("hot", KnownRule(2, 5_000, '{"rule": "hot", "when": {"kind": "new"}}'))
    assert version_at(timeline, 20_000) == 1


def test_what_was_kept_judges_as_before() -> None:
    timeline, again = RuleTimeline(), RuleTimeline()
    for version in (1, 2, 3):
        timeline.put("hot", known(version, version * 10_000))
    for one in restored(timeline.encode("hot")):
        again.put("hot", one)
    moments = range(10_000, 40_000, 500)
    assert [version_at(again, at) for at in moments] == [version_at(timeline, at) for at in moments]


def test_versions_ahead_of_what_is_read_are_kept() -> None:
    """After an hour's outage the changes of that hour come at once, long before its readings."""
    timeline, again = RuleTimeline(), RuleTimeline()
    for minute in range(60):
        timeline.put("hot", known(minute + 1, minute * 60_000))
    for one in restored(timeline.encode("hot")):
        again.put("hot", one)
    moments = [minute * 60_000 + DELAY_MS for minute in range(60)]
    assert [version_at(timeline, at) for at in moments] == list(range(1, 61))
    assert [version_at(again, at) for at in moments] == list(range(1, 61))


def test_history_is_bounded() -> None:
    timeline = RuleTimeline()
    for version in range(1, 1_500):
        timeline.put("hot", known(version, version * 100))
    assert len(restored(timeline.encode("hot"))) == MOST_KEPT
    newest_ms = 1_499 * 100 + DELAY_MS
    assert version_at(timeline, newest_ms) == 1_499
    timeline.forget(newest_ms)
    timeline.put("hot", known(1_500, newest_ms + 1))
    assert len(restored(timeline.encode("hot"))) == 2
    assert [version_at(timeline, at) for at in (newest_ms, newest_ms + 1 + DELAY_MS)] == [1_499, 1_500]


def test_rules_that_did_not_change_are_not_compiled_again() -> None:
    timeline = RuleTimeline()
    timeline.put("hot", known(1, 0))
    before = timeline.book_at(5_000).rules_for(DEVICE).by_name["hot"]
    timeline.put("other", KnownRule(1, 5_000, known(1, 0).definition.replace('"hot"', '"other"')))
    assert timeline.book_at(10_000).rules_for(DEVICE).by_name["hot"] is before
