"""Preloaded readings through readings + rollups into Iceberg and Redis, as fast as the machine goes.

The stream is stopped, the topic filled, the stream started. The first readings warm the JVM up and
are not counted. `processed` counts until the source has read the last reading (the pipeline is
back-pressured, so everything downstream is a fraction of a second behind); `committed` until Iceberg
holds it, which waits for the next checkpoint.
"""

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx

from bench.preload import preload
from bench.processes import cpu_seconds
from catalog.lake import load_lake
from catalog.ledger_kafka import open_log
from catalog.ledger_source import await_rows, stored_rows
from millrace.clock import now_ms
from millrace.errors import MillraceError
from millrace.settings import Settings

_JOB = "telemetry"
# They read what was written, in their own time; measured is the writing.
_ONLOOKERS = ("ledger", "corrector")
_LOOK_EVERY_S = 0.25
_PATIENCE_S = 240.0


class DrainFigures(NamedTuple):
    """What one drain took; CPU by role in seconds."""

    counted: int
    processed_s: float
    committed_s: float
    cpu_s: Counter[str]


def drain(settings: Settings, count: int, warm_up: int, devices: int) -> DrainFigures:
    """Run one drain on a running stack."""
    with open_log(settings.address("kafka")) as log:
        before = sum(log.ends("telemetry").values())
    supervisor(settings, "stop", "keeper", *_ONLOOKERS)
    preload(settings.address("kafka"), warm_up + count, devices, now_ms())
    with keeping(settings, _JOB):
        source = Source(settings, _JOB)
        source.wait_for(warm_up)
        started, cpu_before = time.monotonic(), cpu_seconds()
        already = source.read()
        source.wait_for(warm_up + count)
        processed_s = time.monotonic() - started
        _wait_stored(settings, before + warm_up + count)
        committed_s = time.monotonic() - started
        cpu_s = cpu_seconds() - cpu_before
    return DrainFigures(warm_up + count - already, processed_s, committed_s, cpu_s)


@contextmanager
def keeping(settings: Settings, job: str) -> Iterator[None]:
    """Run the one job that is measured: the others read the same topic, and would be measured too."""
    wanted = settings.environment() | {"MILLRACE_FLINK__JOBS": json.dumps([job])}
    keeper = subprocess.Popen([sys.executable, "-m", "jobs.runtime.keeper"], env={**os.environ, **wanted})
    try:
        yield
    finally:
        keeper.terminate()
        keeper.wait(120)


class Source:
    """How many records a job's source has read since the job was started; `table` is the source's."""

    def __init__(self, settings: Settings, job: str, table: str = "") -> None:
        self._job, self._metric = job, f"Source__{table or job}[1].numRecordsIn"
        self._http = httpx.Client(base_url=f"http://{settings.address('flink_rest')}", timeout=10)

    def wait_for(self, records: int) -> None:
        """Wait until it has read so many; MillraceError when that takes too long."""
        deadline = time.monotonic() + _PATIENCE_S
        while self.read() < records:
            if time.monotonic() > deadline:
                raise MillraceError(
                    f"the stream read {self.read()} of {records} in time", mend="See its logs."
                )
            time.sleep(_LOOK_EVERY_S)

    def read(self) -> int:
        """Return the records read so far."""
        jobs = self._http.get("/jobs/overview").json()["jobs"]
        running = [job["jid"] for job in jobs if (job["name"], job["state"]) == (self._job, "RUNNING")]
        return self._records(running[0]) if running else 0

    def _records(self, job: str) -> int:
        vertices = self._http.get(f"/jobs/{job}").json()["vertices"]
        source = next(vertex["id"] for vertex in vertices if vertex["name"].startswith("Source"))
        place = f"/jobs/{job}/vertices/{source}/subtasks/metrics"
        metrics = self._http.get(place, params={"get": self._metric, "agg": "sum"}).json()
        return int(metrics[0]["sum"]) if metrics else 0


def supervisor(settings: Settings, verb: str, *services: str) -> None:
    """Stop or start services of a running stack."""
    control = str(Path(sys.executable).parent / "supervisorctl")
    command = [control, "-c", str(settings.folder / "supervisord.conf"), verb, *services]
    subprocess.run(command, check=True, capture_output=True, timeout=120)


def _wait_stored(settings: Settings, rows: int) -> None:
    table = await_rows(load_lake(settings), "readings", rows, _PATIENCE_S)
    if stored_rows(table) < rows:
        raise MillraceError(
            f"the lake never held {rows} rows", mend="`millrace ledger` says what is missing."
        )
