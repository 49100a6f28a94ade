"""One replay through a running stack, and what its tables and Redis must hold afterwards."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from bench.compared import compare, counted_points, distinct_readings, take_tables
from bench.stored import wait_until
from millrace.clock import now_ms
from millrace.errors import MillraceError
from millrace.settings import ROOT, Settings
from tests.oracle.compare import count
from tests.oracle.expected import DATA_SETS, Sent, expect, files_of, name_by_content


class Trial(NamedTuple):
    """What is replayed, how, and how many times; `compress` None keeps event time."""

    dataset: str
    via: str
    compress: int | None = None
    limit: int | None = None
    times: int = 1


class Outcome(NamedTuple):
    """Figures of a trial and every difference found."""

    replay: dict[str, Any]
    readings: int
    duplicates: int
    late: int
    windows: int
    panes: int
    settled_s: float
    differences: list[str]


def data_folder() -> Path:
    """Return where the recorded data lie: `DATA_FOLDER`, or beside the checkout."""
    return Path(os.environ.get("DATA_FOLDER", ROOT.parent / "shared" / "data"))


def run_trial(
    settings: Settings,
    trial: Trial,
    *,
    patience_s: float,
    meanwhile: Callable[[int], None] = lambda _rows: None,
) -> Outcome:
    """Replay, wait until the tables stand still, compare; `meanwhile` gets the rows to come while it runs."""
    files = files_of(data_folder(), trial.dataset)
    prefix = f"r{now_ms():x}-"
    with closing(duckdb.connect()) as connection:
        for _ in range(trial.times):
            summary = _replay(settings, trial, files, prefix, meanwhile)
        sent = Sent(
            prefix,
            summary["tag"],
            summary["start_ms"] if summary["tag"] else None,
            summary["compress"],
            trial.limit,
        )
        expect(connection, trial.dataset, files, sent)
        settled_s = wait_until(
            lambda: (
                distinct_readings(settings, connection, prefix),
                counted_points(settings, connection, prefix),
            ),
            (count(connection, "expected_readings"), count(connection, "expected_points")),
            patience_s,
        )
        take_tables(settings, connection, prefix)
        name_by_content(connection)
        return _outcome(settings, connection, summary, settled_s)


def _replay(
    settings: Settings, trial: Trial, files: list[Path], prefix: str, meanwhile: Callable[[int], None]
) -> dict[str, Any]:
    options = ["--via", trial.via, "--speed", "max", "--device-prefix", prefix, "--json"]
    options += ["--compress", str(trial.compress)] if trial.compress else []
    options += ["--limit", str(trial.limit)] if trial.limit else []
    command = [sys.executable, "-m", "millrace.cli", "replay", *map(str, files)]
    command += ["--mapping", DATA_SETS[trial.dataset].mapping, *options]
    environment = {**os.environ, **settings.environment()}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        meanwhile(trial.limit or _lines(trial, files))
        output, errors = process.communicate()
    if process.returncode:
        raise MillraceError(f"the replay failed: {output} {errors[-2000:]}", where=" ".join(command[:5]))
    summary: dict[str, Any] = json.loads(output)
    return summary


def _lines(trial: Trial, files: list[Path]) -> int:
    # Rows of the largest stations' files, near enough to find the middle of a replay.
    return {"air-quality": 35_064, "skab": 1_135, "nab": 22_695}[trial.dataset] * len(files)


def _outcome(
    settings: Settings, connection: duckdb.DuckDBPyConnection, summary: dict[str, Any], settled_s: float
) -> Outcome:
    compared = compare(settings, connection)
    return Outcome(
        replay=summary,
        readings=count(connection, "actual_readings"),
        duplicates=count(connection, "(FROM actual_readings WHERE mark = 'duplicate')"),
        late=count(connection, "(FROM actual_readings WHERE mark = 'late')"),
        windows=compared.windows,
        panes=compared.panes,
        settled_s=round(settled_s, 1),
        differences=compared.differences,
    )
