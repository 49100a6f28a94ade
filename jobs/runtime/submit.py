"""Plans one job and hands it to the cluster (`python -m jobs.runtime.submit NAME [CHECKPOINT]`)."""

import sys

from jobs.runtime.connectors import bind
from jobs.runtime.discovery import Job, find_jobs
from jobs.runtime.environment import configuration, plan_for_cluster, table_environment
from jobs.runtime.plan import launch, plan
from millrace.errors import MillraceError
from millrace.settings import Settings, settings


def submit(settings: Settings, name: str, restore_from: str | None = None) -> str:
    """Submit a job by name, from a checkpoint when one is given; return Flink's job id."""
    job = _named(name)
    plan_for_cluster(settings)
    tables = table_environment(configuration(settings, name, restore_from, job.parallelism))
    bind(tables, settings)
    return str(launch(tables, plan(tables, job), name).get_job_id())


def explain(settings: Settings, name: str) -> str:
    """Plan a job without running it; return Flink's optimized plan. Raises what Flink has against it."""
    job = _named(name)
    plan_for_cluster(settings)
    tables = table_environment(configuration(settings, name, parallelism=job.parallelism))
    bind(tables, settings)
    return str(plan(tables, job).explain())


def _named(name: str) -> Job:
    jobs = {job.name: job for job in find_jobs()}
    if name not in jobs:
        raise MillraceError(f"no job is called {name!r}", mend=f"There are: {', '.join(jobs)}.")
    return jobs[name]


if __name__ == "__main__":
    sys.stdout.write(submit(settings(), sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None) + "\n")
