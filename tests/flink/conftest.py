"""One JVM for these tests, told where Flink and its jars are before PyFlink starts it."""

import os
import sys
from collections.abc import Iterator

import pytest

from jobs.runtime.discovery import Job, find_jobs
from jobs.runtime.environment import plan_for_cluster
from millrace.settings import ROOT, Settings
from millrace.stack.flink import link_jars


@pytest.fixture(scope="package", autouse=True)
def flink() -> Iterator[None]:
    """Lay Flink's class path as the jobs do, but let Python functions run in this process."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("FLINK_HOME", "FLINK_LIB_DIR", "PATH", "_python_worker_execution_mode"):
            patch.setenv(name, os.environ.get(name, ""))
        settings = Settings(home=ROOT / ".millrace")
        link_jars(settings)
        plan_for_cluster(settings)
        patch.delenv("_python_worker_execution_mode")
        patch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), *filter(None, sys.path)]))
        yield


@pytest.fixture(scope="module", autouse=True)
def environment_as_it_was(flink: None) -> Iterator[None]:
    """Take back what Flink's workers in this process set: a child would take it for its own."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="session")
def jobs() -> dict[str, Job]:
    """Return every job there is."""
    return {job.name: job for job in find_jobs()}


@pytest.fixture(scope="session")
def job(jobs: dict[str, Job]) -> Job:
    """The job that reads telemetry."""
    return jobs["telemetry"]
