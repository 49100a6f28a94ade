"""A site falls silent and the stack restarts; the sessions job goes on with other code."""

import pytest

from bench.storm_trial import Storm, run_storm_trial
from bench.upgrade_trial import Upgrade, run_upgrade_trial
from millrace.clock import now_ms
from millrace.settings import Settings

pytestmark = [pytest.mark.e2e, pytest.mark.sessions, pytest.mark.timeout(600)]


def say(_line: str) -> None:
    """Tests are silent."""


def test_a_site_falls_silent_the_stack_restarts_and_the_site_returns(stack: Settings) -> None:
    # Nobody wrongly, nobody twice, nobody left out. How soon depends on the machine and what else runs on it:
    # at full size `bench.acceptance_storm` judges that.
    storm = Storm(
        devices=100, sites=5, stopped=10, offline_after_s=10, interval_s=2, calm_s=15.0, promised_s=30.0
    )
    figures = run_storm_trial(stack, storm, f"w{now_ms():x}", say)
    assert figures.differences == []
    assert (figures.site_events, figures.offline_events, figures.returned) == (1, 10, 10)


def test_other_code_in_the_middle_and_the_same_sessions(stack: Settings) -> None:
    wanted = Upgrade(devices=5, offline_after_s=10, before_s=5.0, after_s=10.0)
    figures = run_upgrade_trial(stack, wanted, f"u{now_ms():x}", say)
    assert figures.differences == []
    assert (figures.sessions, figures.across_the_cut) == (15, 5)
    assert figures.counted_by_new_code > 0
