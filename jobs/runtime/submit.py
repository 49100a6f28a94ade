"""Plans one job and hands it to the cluster (`python -m jobs.runtime.submit NAME [CHECKPOINT]`)."""

import sys

from pyflink.table import StatementSet, TableEnvironment

from jobs.runtime.connectors import bind
from jobs.runtime.discovery import Job, find_jobs
from jobs.runtime.environment import configuration, plan_for_cluster, table_environment
from millrace.errors import MillraceError
from millrace.settings import Settings, settings


def plan(tables: TableEnvironment, job: Job, settings: Settings) -> StatementSet:
    """Declare the job's views and gather its INSERTs in one statement set, so that its topic is read once."""
    bind(tables, settings)
    for view in job.views:
        tables.create_temporary_view(view.name, tables.sql_query(view.statements[0]))
    statements = tables.create_statement_set()
    for file in job.inserts:
        for statement in file.statements:
            statements.add_insert_sql(statement)
    return statements


def submit(settings: Settings, name: str, restore_from: str | None = None) -> str:
    """Submit a job by name, from a checkpoint when one is given; return Flink's job id."""
    job = _named(name)
    plan_for_cluster(settings)
    tables = table_environment(configuration(settings, name, restore_from))
    client = plan(tables, job, settings).execute().get_job_client()
    if client is None:
        raise MillraceError(f"Flink gave no job for {name}", mend="See `millrace logs jobmanager`.")
    return str(client.get_job_id())


def explain(settings: Settings, name: str) -> str:
    """Plan a job without running it; return Flink's optimized plan. Raises what Flink has against it."""
    plan_for_cluster(settings)
    tables = table_environment(configuration(settings, name))
    return str(plan(tables, _named(name), settings).explain())


def _named(name: str) -> Job:
    jobs = {job.name: job for job in find_jobs()}
    if name not in jobs:
        raise MillraceError(f"no job is called {name!r}", mend=f"There are: {', '.join(jobs)}.")
    return jobs[name]


if __name__ == "__main__":
    sys.stdout.write(submit(settings(), sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None) + "\n")
