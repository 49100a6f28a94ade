"""What the oracle of rules that change expects, and every kind of wrong telling the verdict must find."""

from typing import Any

import pytest

from bench.alert_verdict import judge_alerts
from bench.alert_waves import Waves
from bench.notices import Notice, judge_notices
from tests.oracle.rule_versions import Alert, Heard, Version, alerts_of

pytestmark = pytest.mark.alerts

DELAY_MS = 1_000


def version(number: int, log_ms: int, raise_above: float, clear_below: float | None = None) -> Version:
    return Version(
        "hot", number, log_ms, "a", raise_above, raise_above if clear_below is None else clear_below
    )


def heard(event_ms: int, value: float, log_ms: int | None = None, device: str = "a") -> Heard:
    return Heard(device, f"{device}-{event_ms}", event_ms, event_ms if log_ms is None else log_ms, value)


CASES: dict[str, tuple[list[Version], list[Heard], list[Alert]]] = {
    "nothing before the version is in force": (
        [version(1, 5_000, 80)],
        [heard(5_500, 90), heard(6_000, 90), heard(7_000, 70)],
        [Alert("hot", "a", 6_000, 1, 7_000)],
    ),
    "an edit counts from a second after it": (
        [version(1, 0, 80), version(2, 10_000, 60)],
        [heard(10_999, 70), heard(11_000, 70), heard(12_000, 60)],
        [Alert("hot", "a", 11_000, 2, 12_000)],
    ),
    "an open alert keeps its version and ends by the new limit": (
        [version(1, 0, 60), version(2, 10_000, 80)],
        [heard(5_000, 70), heard(11_000, 75), heard(12_000, 90)],
        [Alert("hot", "a", 5_000, 1, 11_000), Alert("hot", "a", 12_000, 2)],
    ),
    "between the limits it stays as it is": (
        [version(1, 0, 80, 50)],
        [heard(5_000, 90), heard(6_000, 60), heard(7_000, 50), heard(8_000, 60)],
        [Alert("hot", "a", 5_000, 1, 7_000)],
    ),
    "a duplicate counts once, by its first place in the log": (
        [version(1, 0, 80), version(2, 10_000, 60)],
        [heard(10_500, 70), heard(10_500, 70, log_ms=12_000), heard(10_600, 50)],
        [],
    ),
    "out of order is judged in event time": (
        [version(1, 0, 80)],
        [heard(5_000, 90), heard(7_000, 90), heard(6_000, 70, log_ms=7_500)],
        [Alert("hot", "a", 5_000, 1, 6_000), Alert("hot", "a", 7_000, 1)],
    ),
    "another device has another rule": ([version(1, 0, 80)], [heard(5_000, 90, device="b")], []),
    "a rule of every device judges every device": (
        [version(1, 0, 80)._replace(device_id="")],
        [heard(5_000, 90, device="b"), heard(5_000, 90)],
        [Alert("hot", "b", 5_000, 1), Alert("hot", "a", 5_000, 1)],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_oracle_expects(case: str) -> None:
    versions, readings, expected = CASES[case]
    assert sorted(alerts_of(versions, readings, DELAY_MS)) == sorted(expected)


EXPECTED = [Alert("hot", "a", 5_000, 2, 7_000), Alert("hot", "b", 6_000, 1)]


def record(kind: str, device: str = "a", onset_ms: int = 5_000, at_ms: int = 5_000, number: int = 2) -> Any:
    names = {"alert_id": f"{device}/{onset_ms}", "device_id": device, "rule": "hot", "rule_version": number}
    return names | {"kind": kind, "onset_ms": onset_ms, "at_ms": at_ms, "evidence": {"value": "90.0"}}


def right() -> list[Any]:
    of_b = record("raised", "b", 6_000, 6_000, number=1)
    return [record("raised"), of_b, record("cleared", at_ms=7_000)]


def test_what_should_be_told_is_no_fault_and_its_repetition_neither() -> None:
    verdict = judge_alerts(EXPECTED, [*right(), *right()])
    assert (verdict.alerts, verdict.records, verdict.repeated, verdict.differences) == (2, 6, 3, [])


WRONG: dict[str, list[Any]] = {
    "1 alerts were never told": right()[::2],
    "1 alerts were told and should not be": [*right(), record("raised", "c")],
    "1 alerts are by a version that was not in force": [
        one | {"rule_version": 1} if one["device_id"] == "a" else one for one in right()
    ],
    "1 alerts did not clear when they should": [*right()[:2], record("cleared", at_ms=7_001)],
    "1 alerts were told twice, differently": [*right(), record("raised") | {"evidence": {"value": "91.0"}}],
    "1 alerts were taken back or changed": [*right(), record("withdrawn")],
}


@pytest.mark.parametrize("fault", WRONG)
def test_every_wrong_telling_is_found(fault: str) -> None:
    [difference] = judge_alerts(EXPECTED, WRONG[fault]).differences
    assert difference.startswith(f"{fault}: ")


def test_an_alert_that_never_ends_should_not_clear() -> None:
    [difference] = judge_alerts(
        EXPECTED, [*right(), record("cleared", "b", 6_000, 9_000, number=1)]
    ).differences
    assert difference.startswith("1 alerts did not clear when they should: ")


def test_notices_are_counted_by_alert_and_reason() -> None:
    told = [Notice("n-1", "raised", "x"), Notice("n-2", "cleared", "x"), Notice("n-3", "raised", "y")]
    assert judge_notices(told, {"x", "y"}) == []
    again = judge_notices([*told, Notice("n-4", "raised", "x")], {"x", "y"})
    assert again == ["1 alerts were told twice for the same reason: [('x', 'raised')]"]
    assert judge_notices(told[:2], {"x", "y"}) == ["1 alerts were never told: ['y']"]
    assert judge_notices(told, {"x"}) == ["1 alerts were told and never were: ['y']"]


def test_waves_cross_a_limit_once_in_their_period() -> None:
    waves = Waves("w", devices=4, rate=100, seconds=10, period_s=2)
    values = [waves.value(1, step / 100) for step in range(200)]
    above = [value > 60 for value in values]
    assert sum(one != other for one, other in zip(above, [*above[1:], above[0]], strict=True)) == 2
    assert (min(values), max(values)) == (0.0, 100.0)
