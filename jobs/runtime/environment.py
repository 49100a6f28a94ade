"""The table environment every job is planned in."""

import os
import sys
from pathlib import Path

from pyflink.common import Configuration
from pyflink.datastream import StreamExecutionEnvironment
from pyflink.java_gateway import get_gateway
from pyflink.table import StreamTableEnvironment

from jobs.runtime.discovery import Job
from millrace.settings import Settings

# What every job needs to be right or fast; what differs between environments comes from Settings.
_FIXED = {
    "table.local-time-zone": "UTC",
    # An operator without a name of its own could not be found again in a savepoint: Flink refuses the job.
    "table.exec.uid.generation": "ALWAYS",
    "pipeline.auto-generate-uids": "false",
    # The older sink of Iceberg takes no uid; this one names its operators after the table.
    "table.exec.iceberg.use-v2-sink": "true",
    "table.optimizer.reuse-optimize-block-with-digest-enabled": "true",
    "table.optimizer.agg-phase-strategy": "TWO_PHASE",
    "pipeline.object-reuse": "true",
    "execution.checkpointing.mode": "EXACTLY_ONCE",
    "execution.checkpointing.externalized-checkpoint-retention": "RETAIN_ON_CANCELLATION",
    "execution.checkpointing.timeout": "10 min",
    "execution.checkpointing.incremental": "true",
    "state.backend.type": "rocksdb",
    "restart-strategy.type": "exponential-delay",
    "restart-strategy.exponential-delay.initial-backoff": "1 s",
    "restart-strategy.exponential-delay.max-backoff": "20 s",
    "python.fn-execution.bundle.size": "10000",
    "python.fn-execution.arrow.batch.size": "10000",
    "python.metric.enabled": "false",
}


# A planner lives for seconds: what the optimizing compiler makes of it comes too late to be of use.
_PLANNING_JVM = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"


def configuration(settings: Settings, job: Job, restore_from: str | None = None) -> Configuration:
    """Return the job's configuration for this stack's session cluster."""
    values = _FIXED | {
        "pipeline.name": job.name,
        "python.fn-execution.bundle.time": str(job.batch_ms),
        "execution.buffer-timeout.interval": f"{min(100, job.batch_ms // 2)} ms",
        "parallelism.default": str(job.subtasks(settings.flink.parallelism)),
        "execution.checkpointing.interval": f"{settings.flink.checkpoint_interval_ms} ms",
        "execution.target": "remote",
        "execution.attached": "false",
        "rest.address": settings.bind_host,
        "rest.port": str(settings.port("flink_rest")),
        "python.executable": sys.executable,
        "python.client.executable": sys.executable,
    }
    if restore_from:
        values["execution.state-recovery.path"] = restore_from
    found = Configuration()
    for name, value in values.items():
        found.set_string(name, value)
    return found


def plan_for_cluster(settings: Settings) -> None:
    """Let the planning JVM see what the cluster sees, and Python functions run on the cluster's workers.

    Without FLINK_HOME the wheel overwrites FLINK_LIB_DIR; without the worker mode it binds the
    functions to a server inside this process, which is gone once the job is submitted.
    """
    os.environ["_python_worker_execution_mode"] = "process"  # noqa: SIM112 (Flink's spelling)
    os.environ["JVM_ARGS"] = _PLANNING_JVM
    site = Path(next(p for p in sys.path if p.endswith("site-packages")))
    os.environ["FLINK_HOME"] = str(site / "pyflink")
    os.environ["FLINK_LIB_DIR"] = str(settings.jars / "flink-lib")
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"


def table_environment(configuration: Configuration) -> StreamTableEnvironment:
    """Open a streaming table environment.

    PyFlink's own way to an environment always is a local one, whatever `execution.target` says.
    """
    java = get_gateway().jvm.org.apache.flink.streaming.api.environment.StreamExecutionEnvironment
    return StreamTableEnvironment.create(StreamExecutionEnvironment(java(configuration._j_configuration)))
