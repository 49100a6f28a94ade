"""Which alerts found by late readings are told: each once, and none that is known better."""

from typing import Any

import pytest

from catalog.known_alerts import KnownAlert
from jobs.corrections.alert_choice import Found, Told, to_tell
from udfs.rules.alerts import AlertChange, ChangeKind, alert_id

pytestmark = pytest.mark.alerts


def change(kind: ChangeKind, at_ms: int, onset_ms: int = 100, rule: str = "hot") -> AlertChange:
    name = alert_id("acme", rule, "pump", onset_ms)
    return AlertChange(
        name, "acme", "pump", "", rule, 1, kind, "warning", onset_ms, at_ms, False, True, {"value": 9.0}
    )  # fmt: skip


RAISED, ESCALATED, CLEARED = change("raised", 110), change("escalated", 120), change("cleared", 130)
NOTHING = Told()
ALERT = (RAISED, ESCALATED, CLEARED)


def known(onset_ms: int = 100, end_ms: int | None = None, **more: Any) -> KnownAlert:
    rule = more.get("rule", "hot")
    name = alert_id("acme", rule, "pump", onset_ms)
    return KnownAlert(name, "pump", rule, more.get("retroactive", False), onset_ms, end_ms)


def told(*changes: AlertChange) -> Told:
    return Told(changes=frozenset((one.alert_id, one.kind, one.at_ms) for one in changes))


def chosen(*alerts: KnownAlert, told: Told = NOTHING, from_ms: int = 50) -> list[AlertChange]:
    return to_tell([Found(ALERT, from_ms)], alerts, told)


def test_an_alert_nobody_knows_is_told_whole() -> None:
    assert chosen() == list(ALERT)
    assert chosen(known(onset_ms=99, end_ms=101)) == list(ALERT)


def test_an_alert_the_stream_told_stays_as_it_is() -> None:
    assert chosen(known()) == []
    assert chosen(told=Told(live=frozenset({RAISED.alert_id}))) == []


def test_what_was_told_in_hindsight_is_not_told_again() -> None:
    assert chosen(known(retroactive=True), told=told(*ALERT)) == []
    assert chosen(known(retroactive=True), told=told(RAISED)) == [ESCALATED, CLEARED]


def test_what_follows_a_change_not_told_is_told_again_for_the_last_record_counts() -> None:
    assert chosen(told=told(RAISED, CLEARED)) == [ESCALATED, CLEARED]
    assert chosen(told=told(change("raised", 111), CLEARED)) == list(ALERT)


def test_a_pass_cut_off_before_the_history_was_written_tells_the_same_again() -> None:
    assert chosen(known(retroactive=True)) == list(ALERT)


@pytest.mark.parametrize(
    ("other", "told_all"),
    [
        (known(onset_ms=40, end_ms=None), False),
        (known(onset_ms=40, end_ms=100), False),
        (known(onset_ms=40, end_ms=99), True),
        (known(onset_ms=50, end_ms=None), True),
        (known(onset_ms=40, rule="cold"), True),
        (known(onset_ms=40, retroactive=True), True),
    ],
)
def test_what_lies_within_an_alert_from_before_the_first_reading_judged_is_no_alert(
    other: KnownAlert, told_all: bool
) -> None:
    assert chosen(other) == (list(ALERT) if told_all else [])


def test_an_end_that_was_told_stays_though_a_run_that_was_followed_finds_another() -> None:
    later = change("cleared", 999)
    assert to_tell([Found((later,), 0)], [], told(RAISED, CLEARED)) == []
    assert to_tell([Found((later,), 0)], [], told(RAISED)) == [later]
    assert to_tell([Found((RAISED, later), 0)], [], told(RAISED, CLEARED)) == [later]


def test_what_two_runs_find_is_told_once() -> None:
    other = (change("raised", 500, 500), change("cleared", 510, 500))
    assert to_tell([Found((*ALERT, *other), 0), Found(other, 0)], [], Told()) == [*ALERT, *other]
