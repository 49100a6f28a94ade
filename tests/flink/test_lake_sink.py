"""Rows come into the lake exactly once: across a failure, and across a savepoint."""

import subprocess
import sys
from pathlib import Path

import pytest

from millrace.settings import ROOT
from tests.flink.lake_writer import FAILS_AT, ROWS, stored

pytestmark = [pytest.mark.flink, pytest.mark.stream, pytest.mark.timeout(600)]


def run(*words: str) -> str:
    command = [sys.executable, "-m", "tests.flink.lake_writer", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.split()[-1] if done.stdout else ""


def test_every_row_is_there_once_after_a_failure_and_a_savepoint(tmp_path: Path) -> None:
    savepoint = run(str(tmp_path))
    cut = stored(tmp_path)
    assert (tmp_path / "broken").exists()
    assert FAILS_AT < max(cut) < ROWS
    assert cut == list(range(1, max(cut) + 1))
    run(str(tmp_path), savepoint)
    assert stored(tmp_path) == list(range(1, ROWS + 1))
