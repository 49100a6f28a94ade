import pytest

from bench.replay_trial import Trial, data_folder, run_trial
from millrace.settings import Settings

# The last minute closes when the topic was silent for 70 s; then comes a checkpoint.
PATIENCE_S = 120.0
# Event time as recorded, oldest first, then compressed to end now: time goes forward as in a real stream.
TRIALS = (
    Trial("air-quality", "mqtt", limit=2_000),
    # Before its clock goes back an hour (row 10,150): windows of late rows are not corrected yet.
    Trial("nab", "kafka", limit=10_000),
    Trial("skab", "http", limit=2_000),
    Trial("air-quality", "kafka", compress=3600, limit=4_000),
)

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.replay,
    pytest.mark.timeout(600),
    pytest.mark.skipif(
        not data_folder().is_dir(), reason=f"no recorded data at {data_folder()}; set DATA_FOLDER"
    ),
]


@pytest.mark.parametrize("trial", TRIALS, ids=lambda trial: f"{trial.dataset}-{trial.via}-{trial.compress}")
def test_every_row_is_stored_once_and_every_window_equals_the_files(stack: Settings, trial: Trial) -> None:
    outcome = run_trial(stack, trial, patience_s=PATIENCE_S)
    assert outcome.differences == []
    assert outcome.windows > 0
    assert (outcome.panes > 0) == (trial.compress is not None)
