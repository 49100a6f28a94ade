"""Plans jobs and hands them to the cluster (`python -m jobs.runtime.submit NAME[=STATE] ...`).

Several jobs in one process cost less than half of one process each: the planner is loaded and warm after the
first. A line `NAME ID` is printed for each as soon as it is submitted.
"""

import sys

from jobs.runtime.cluster import Cluster
from jobs.runtime.connectors import bind
from jobs.runtime.discovery import Job, find_jobs
from jobs.runtime.environment import configuration, plan_for_cluster, table_environment
from jobs.runtime.flink_errors import blamed_on_tables
from jobs.runtime.plan import graph_uids, launch, plan
from jobs.runtime.planned import Change, change, recall, remember, state_of
from jobs.runtime.restore import newest_state
from millrace.errors import MillraceError
from millrace.phrases import known_names
from millrace.settings import Settings, settings

_PATIENCE_S = 180.0


def submit(settings: Settings, name: str, restore_from: str | None = None) -> str | None:
    """Submit a job by name, from a checkpoint when one is given; return Flink's job id.

    It is planned whether the cluster is there yet or not. None: a job of this name runs already.
    """
    job = _named(name)
    plan_for_cluster(settings)
    tables = table_environment(configuration(settings, job, restore_from))
    bind(tables, settings)
    statements = plan(tables, job)
    cluster = Cluster(settings)
    cluster.await_slots(_PATIENCE_S)
    if cluster.alive(name) is not None:
        return None
    with blamed_on_tables(job):
        job_id = str(launch(tables, statements, name, job.writes).get_job_id())
    remember(settings.folder / "flink", job, job_id)
    return job_id


def explain(settings: Settings, name: str) -> tuple[Change, str]:
    """Plan a job without running it; return what a submit would change, and Flink's optimized plan.

    MillraceError names the file and the line Flink has something against.
    """
    job = _named(name)
    plan_for_cluster(settings)
    tables = table_environment(configuration(settings, job))
    bind(tables, settings)
    statements, folder = plan(tables, job), settings.folder / "flink"
    with blamed_on_tables(job):
        text = str(statements.explain())
        uids = graph_uids(tables, statements, job.writes)
    state = state_of(newest_state(folder, name), uids)
    return change(job, recall(folder, name), state), text


def _named(name: str) -> Job:
    jobs = {job.name: job for job in find_jobs()}
    if name not in jobs:
        raise MillraceError(f"no job is called {name!r}", mend=known_names(name, jobs))
    return jobs[name]


def main(wanted: list[str]) -> None:
    """Submit jobs one after the other, each from the state given behind its name."""
    for one in wanted:
        name, _, state = one.partition("=")
        job_id = submit(settings(), name, state or None)
        if job_id:
            sys.stdout.write(f"{name} {job_id}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except MillraceError as error:
        sys.exit(str(error))
