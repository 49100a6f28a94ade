"""Readings twice, out of order, late, broken: windows, sessions and dead letters are exact all the same."""

from pathlib import Path

import pytest

from bench.replay_trial import data_folder
from bench.state_recording import Wanted, record
from bench.state_trial import run_state_trial
from millrace.clock import from_iso, now_ms
from millrace.settings import Settings

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.sessions,
    pytest.mark.timeout(600),
    pytest.mark.skipif(
        not data_folder().is_dir(), reason=f"no recorded data at {data_folder()}; set DATA_FOLDER"
    ),
]
# A correction waits for a checkpoint of the job it corrects, then for the corrector's next pass.
PATIENCE_S = 120.0
# Before any other replay of a stack: time goes forward as in a real stream.
WANTED = Wanted(limit=3_000, compress=360, pauses=3, start_ms=from_iso("2001-01-01T00:00:00Z"))


def test_disorder_in_exact_windows_sessions_and_dead_letters_out(stack: Settings, tmp_path: Path) -> None:
    recording = record(WANTED, f"s{now_ms():x}", now_ms())
    figures = run_state_trial(stack, recording, tmp_path / "sent.parquet", PATIENCE_S, lambda _line: None)
    assert figures.differences == []
    assert min(figures.windows, figures.sessions, figures.dead_letters, figures.windows_with_late) > 0
    # In a stack whose event time was further already all is late, and nothing is told twice.
    late_as_a_whole = figures.late == figures.readings - figures.duplicates
    assert figures.windows_revised > 0 or late_as_a_whole
