"""One variant of the sessions job over a bounded log (`python -m bench.session_variants NAME UNTIL_MS`).

It reads the stack's Kafka up to a moment of log time and writes nowhere. Printed is the CPU of the whole
process tree as JSON; two runs to different moments give the cost of a reading without that of the start.
"""

import json
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
from pyflink.common import Configuration
from pyflink.table import StatementSet, StreamTableEnvironment, TableDescriptor

from bench.session_peer import plan_peer
from jobs.runtime import environment
from jobs.runtime.discovery import find_jobs
from jobs.runtime.plan import launch, plan
from jobs.runtime.sources import FOLDER
from jobs.runtime.udf_gather import FUNCTION as GATHER
from millrace.settings import Settings, settings
from millrace.stack.flink import link_jars

_LOCAL = {
    "execution.target": "local",
    "execution.attached": "true",
    "execution.checkpointing.interval": "10 s",
    "restart-strategy.type": "disable",
    "taskmanager.memory.managed.size": "256m",
    "python.executable": sys.executable,
    "python.client.executable": sys.executable,
}
_BOUNDED = """
  'scan.bounded.mode' = 'timestamp',
  'scan.bounded.timestamp-millis' = '{until_ms}',
  'properties.group.id'"""
_LOOK_EVERY_S = 0.25


def plan_sessions(tables: StreamTableEnvironment) -> StatementSet:
    """Plan views and steps of the sessions job as they are, and sinks that keep nothing."""
    job = next(job for job in find_jobs() if job.name == "sessions")
    tables.create_temporary_system_function("gather", GATHER)
    plan(tables, type(job)(name=job.name, views=job.views, inserts=()))
    statements = tables.create_statement_set()
    for name in ("told_events", "closed_sessions", "presences"):
        nowhere = TableDescriptor.for_connector("blackhole").build()
        statements.add_insert(nowhere, tables.from_path(name))
    return statements


VARIANTS: dict[str, Callable[[StreamTableEnvironment], StatementSet]] = {
    "millrace": plan_sessions,
    "peer": lambda tables: plan_peer(tables, "process"),
    "peer in thread mode": lambda tables: plan_peer(tables, "thread"),
}


class CpuMeter:
    """Adds up user and system time of this process and all it ever started."""

    def __init__(self) -> None:
        self._seen: dict[int, float] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> float:
        """Return the CPU seconds so far; processes that ended count until they were last seen."""
        self._stopping.set()
        self._thread.join()
        self._look()
        return sum(self._seen.values())

    def _watch(self) -> None:
        while not self._stopping.wait(_LOOK_EVERY_S):
            self._look()

    def _look(self) -> None:
        root = psutil.Process()
        for process in [root, *root.children(recursive=True)]:
            try:
                times = process.cpu_times()
            except psutil.NoSuchProcess:
                continue
            self._seen[process.pid] = times.user + times.system


def _environment(settings: Settings, folder: Path) -> StreamTableEnvironment:
    link_jars(settings)
    environment.plan_for_cluster(settings)
    parallelism = {"parallelism.default": str(settings.flink.parallelism)}
    checkpoints = {"execution.checkpointing.dir": folder.as_uri()}
    configuration = Configuration()
    for name, value in (environment._FIXED | _LOCAL | parallelism | checkpoints).items():
        configuration.set_string(name, value)
    return environment.table_environment(configuration)


def run(settings: Settings, variant: str, until_ms: int) -> float:
    """Run one variant to its end; return its CPU seconds."""
    meter = CpuMeter()
    with TemporaryDirectory() as folder:
        tables = _environment(settings, Path(folder))
        source = (FOLDER / "arrivals.sql").read_text().format(bootstrap=settings.address("kafka"))
        bounded = source.replace("\n  'properties.group.id'", _BOUNDED.format(until_ms=until_ms))
        tables.execute_sql(bounded)
        launch(tables, VARIANTS[variant](tables), variant).get_job_execution_result().result()
        return meter.stop()


if __name__ == "__main__":
    sys.stdout.write(json.dumps(run(settings(), sys.argv[1], int(sys.argv[2]))) + "\n")
