"""The tree as git sees it."""

import subprocess
from pathlib import Path

import pytest

from millrace.settings import ROOT


@pytest.fixture(scope="session")
def tracked() -> list[Path]:
    """Return every file that is or would be committed, relative to the root."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [Path(name) for name in listed.split("\0") if name and (ROOT / name).is_file()]


@pytest.fixture(scope="session")
def python_files(tracked: list[Path]) -> list[Path]:
    """Return the tracked Python files."""
    return [path for path in tracked if path.suffix == ".py"]
