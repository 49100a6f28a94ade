"""Makes one Flink job of job files: views and steps in order, all INSERTs in one statement set."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

from pyflink.common import JobClient
from pyflink.datastream import StreamExecutionEnvironment
from pyflink.java_gateway import get_gateway
from pyflink.table import StatementSet, StreamTableEnvironment

from jobs.runtime.discovery import Job
from jobs.runtime.job_file import JobFile
from jobs.runtime.sources import sources


def plan(
    tables: StreamTableEnvironment, job: Job, take: Callable[[str], Any] = lambda _: None
) -> StatementSet:
    """Declare the job's views and gather its INSERTs, so that its source is read once; `take` sees each."""
    for view in job.views:
        _declare(tables, view)
    statements = tables.create_statement_set()
    for file in job.inserts:
        for statement in file.statements:
            take(statement)
            statements.add_insert_sql(statement)
    return statements


def _declare(tables: StreamTableEnvironment, view: JobFile) -> None:
    if view.kind == "step":
        for name, table in import_module(f"jobs.{view.name}").provide(tables).items():
            tables.create_temporary_view(name, table)
    else:
        tables.create_temporary_view(view.name, tables.sql_query(view.statements[0]))


def launch(tables: StreamTableEnvironment, statements: StatementSet, name: str) -> JobClient:
    """Start the job without waiting for its end."""
    statements.attach_as_datastream()
    environment = StreamExecutionEnvironment(tables._j_tenv.execEnv())
    unchain(operators(environment._j_stream_execution_environment.getTransformations()))
    return environment.execute_async(name)


def count_operators_anew(tables: StreamTableEnvironment) -> None:
    """Let the next plan number its operators from 1.

    Flink counts them on within one JVM, and their uids with them: a job planned after another would not find
    its state again. The planner lives behind a class loader of its own, so its counter is reached from there.
    """
    jvm = get_gateway().jvm
    loader = tables._j_tenv.getPlanner().getClass().getClassLoader()
    counter = loader.loadClass("org.apache.flink.table.planner.plan.nodes.exec.ExecNodeContext")
    none = get_gateway().new_array(jvm.java.lang.Object, 0)
    counter.getMethod("resetIdCounter", get_gateway().new_array(jvm.java.lang.Class, 0)).invoke(None, none)


def operators(ends: Any) -> list[Any]:
    """Return every transformation the given ones come from, themselves included."""
    found, waiting = {}, list(ends)
    while waiting:
        one = waiting.pop()
        if one.getId() not in found:
            found[one.getId()] = one
            waiting += list(one.getInputs())
    return list(found.values())


def unchain(transformations: list[Any]) -> None:
    """Give each source that asks for it a task of its own.

    A partition passes for idle when its source saw nothing of it for a while. What a source waits for
    its consumers does not count, but in a chain with them it does not notice that it waits.
    """
    never = get_gateway().jvm.org.apache.flink.streaming.api.operators.ChainingStrategy.NEVER
    for source in (
        one for one in transformations if one.getClass().getSimpleName() == "SourceTransformation"
    ):
        table = source.getName().partition("[")[0].removeprefix("Source: ")
        if table in sources() and sources()[table].apart:
            source.setChainingStrategy(never)
