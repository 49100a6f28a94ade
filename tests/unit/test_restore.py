"""Which state a job is started from."""

import os
from pathlib import Path

import pytest

from jobs.runtime.restore import newest_state, remember_job

pytestmark = pytest.mark.stream


def state(folder: Path, place: str, age_s: int, complete: bool = True) -> Path:
    path = folder / place
    path.mkdir(parents=True)
    if complete:
        (path / "_metadata").touch()
        os.utime(path / "_metadata", (1_767_225_600 - age_s, 1_767_225_600 - age_s))
    return path


@pytest.fixture
def flink(tmp_path: Path) -> Path:
    remember_job(tmp_path, "telemetry", "aaaa")
    return tmp_path


def test_before_the_first_state_there_is_none(tmp_path: Path) -> None:
    assert newest_state(tmp_path, "telemetry") is None


def test_the_newest_checkpoint_wins_whatever_its_number(flink: Path) -> None:
    remember_job(flink, "telemetry", "bbbb")
    state(flink, "checkpoints/aaaa/chk-90", age_s=20)
    newest = state(flink, "checkpoints/bbbb/chk-3", age_s=10)
    assert newest_state(flink, "telemetry") == newest


@pytest.mark.parametrize("savepoint_is_newer", [True, False])
def test_savepoints_and_checkpoints_compete_by_age(flink: Path, savepoint_is_newer: bool) -> None:
    checkpoint = state(flink, "checkpoints/aaaa/chk-5", age_s=10)
    savepoint = state(flink, "savepoints/telemetry/savepoint-1", age_s=5 if savepoint_is_newer else 15)
    assert newest_state(flink, "telemetry") == (savepoint if savepoint_is_newer else checkpoint)


def test_a_state_without_metadata_was_never_finished(flink: Path) -> None:
    finished = state(flink, "checkpoints/aaaa/chk-1", age_s=10)
    state(flink, "checkpoints/aaaa/chk-2", age_s=0, complete=False)
    state(flink, "savepoints/telemetry/savepoint-2", age_s=0, complete=False)
    assert newest_state(flink, "telemetry") == finished


def test_a_job_never_starts_from_another_job_s_state(flink: Path) -> None:
    remember_job(flink, "other", "cccc")
    state(flink, "checkpoints/cccc/chk-9", age_s=0)
    state(flink, "savepoints/other/savepoint-9", age_s=0)
    assert newest_state(flink, "telemetry") is None


def test_remembering_a_job_twice_changes_nothing(flink: Path) -> None:
    remember_job(flink, "telemetry", "aaaa")
    assert [path.name for path in (flink / "jobs" / "telemetry").iterdir()] == ["aaaa"]
