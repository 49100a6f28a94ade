"""Rules change while readings come, and the TaskManager dies in an alert storm: no alert is wrong."""

import pytest

from bench.alert_storm_trial import AlertStorm, run_alert_storm_trial
from bench.rule_change_trial import RuleChanges, run_rule_change_trial
from millrace.clock import now_ms
from millrace.settings import Settings

pytestmark = [pytest.mark.e2e, pytest.mark.alerts, pytest.mark.timeout(300)]


def say(_line: str) -> None:
    """Tests are silent."""


def test_each_alert_is_by_the_version_in_force(stack: Settings) -> None:
    wanted = RuleChanges(
        devices=20, rate=400, seconds=12, edits_per_s=5, period_s=2, over_mqtt=2, patience_s=30
    )
    figures = run_rule_change_trial(stack, wanted, f"c{now_ms():x}", say)
    assert figures.differences == []
    assert figures.edits == 45
    assert figures.alerts > figures.by_edited_versions > 0


def test_no_alert_is_lost_or_told_twice_when_the_taskmanager_dies(stack: Settings) -> None:
    wanted = AlertStorm(devices=50, rate=200, seconds=12, period_s=6, patience_s=60)
    figures = run_alert_storm_trial(stack, wanted, f"k{now_ms():x}", say)
    assert figures.differences == []
    assert figures.restarts >= 1
    assert figures.notices_raised == figures.alerts > 0
