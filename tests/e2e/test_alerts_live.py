"""Rules by the API, a recording in disorder over MQTT: every alert is that of an engine which is not ours."""

import pytest

from bench.alert_trial import Trial, run_alert_trial
from bench.replay_trial import data_folder
from millrace.clock import from_iso, now_ms
from millrace.settings import Settings

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.alerts,
    pytest.mark.timeout(300),
    pytest.mark.skipif(
        not data_folder().is_dir(), reason=f"no recorded data at {data_folder()}; set DATA_FOLDER"
    ),
]
PATIENCE_S = 60.0
# Before any other recording of the stack: time goes forward as in a real stream.
TRIAL = Trial("skab", limit=3_000, start_ms=from_iso("2000-01-01T00:00:00Z"), speed=200)


def test_live_alerts_stored_ones_and_those_of_a_backtest_are_the_ones_of_window_queries(
    stack: Settings,
) -> None:
    figures = run_alert_trial(stack, TRIAL, f"a{now_ms():x}", PATIENCE_S, lambda _line: None)
    assert figures.differences == []
    assert (figures.duplicates, figures.late) == (figures.messages // 11, 0)
    assert {case.kind for case in figures.cases} == {"threshold", "count_in_window", "sequence"}
    assert min(case.expected for case in figures.cases) > 0
