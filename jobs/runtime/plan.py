"""Makes one Flink job of job files: views and steps in order, all INSERTs in one statement set."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from typing import Any

from pyflink.common import JobClient
from pyflink.datastream import StreamExecutionEnvironment
from pyflink.java_gateway import get_gateway
from pyflink.table import StatementSet, StreamTableEnvironment

from jobs.runtime.discovery import Job
from jobs.runtime.flink_errors import blamed
from jobs.runtime.job_file import JobFile
from jobs.runtime.sources import sources

# The uids the table planner gives: a number within the plan, then the kind of the operator.
_PLANNED_UID = re.compile(r"\d+_(.+)")


def plan(
    tables: StreamTableEnvironment, job: Job, take: Callable[[str], Any] = lambda _: None
) -> StatementSet:
    """Declare the job's views and gather its INSERTs, so that its source is read once; `take` sees each."""
    for view in job.views:
        with blamed(view):
            _declare(tables, view)
    statements = tables.create_statement_set()
    for file in job.inserts:
        for number, statement in enumerate(file.statements):
            take(statement)
            with blamed(file, number):
                statements.add_insert_sql(statement)
    return statements


def _declare(tables: StreamTableEnvironment, view: JobFile) -> None:
    if view.kind == "step":
        for name, table in import_module(f"jobs.{view.name}").provide(tables).items():
            tables.create_temporary_view(name, table)
    else:
        tables.create_temporary_view(view.name, tables.sql_query(view.statements[0]))


def launch(
    tables: StreamTableEnvironment, statements: StatementSet, name: str, writes: Sequence[str] = ()
) -> JobClient:
    """Start the job without waiting for its end; `writes` are its tables in the order of their INSERTs."""
    environment, _ = attach(tables, statements, writes)
    return environment.execute_async(name)


def attach(
    tables: StreamTableEnvironment, statements: StatementSet, writes: Sequence[str]
) -> tuple[StreamExecutionEnvironment, list[Any]]:
    """Turn a planned statement set into transformations with uids that a savepoint finds again."""
    statements.attach_as_datastream()
    environment = StreamExecutionEnvironment(tables._j_tenv.execEnv())
    ends = environment._j_stream_execution_environment.getTransformations()
    name_operators(list(ends), writes)
    made = operators(ends)
    unchain(made)
    return environment, made


def graph_uids(tables: StreamTableEnvironment, statements: StatementSet, writes: Sequence[str]) -> list[str]:
    """Return the uid of every operator that would run: sinks become writers and committers only here."""
    environment, _ = attach(tables, statements, writes)
    nodes = environment._generate_stream_graph().getStreamNodes().toArray()
    return [str(node.getTransformationUID()) for node in nodes if node.getTransformationUID()]


def name_operators(ends: list[Any], writes: Sequence[str]) -> None:
    """Name each planned operator after the table it works for: `iot.rollups_1m/global-window-aggregate-1`.

    Flink's own uids count operators over the whole plan, so that one more INSERT, or a job planned before in
    the same process, would rename all others and a savepoint would not find their state. An operator that
    serves several tables belongs to the INSERT with the lowest position; a source is named after its table.
    """
    positions = {table: at for at, table in reversed(list(enumerate(writes)))}

    def position(end: Any) -> int:
        return positions.get(_table_name(end), len(positions))

    numbers: Counter[str] = Counter()
    named: set[int] = set()
    for end in sorted(ends, key=position):
        for operator in _upstream_first(end, named):
            kind = _PLANNED_UID.fullmatch(operator.getUid() or "")
            if kind is None:
                continue
            is_source = operator.getClass().getSimpleName() == "SourceTransformation"
            name = f"{_table_name(operator if is_source else end)}/{kind[1]}"
            numbers[name] += 1
            operator.setUid(name if is_source else f"{name}-{numbers[name]}")


def _upstream_first(end: Any, visited: set[int]) -> Iterator[Any]:
    if end.getId() in visited:
        return
    visited.add(end.getId())
    for transformation in end.getInputs():
        yield from _upstream_first(transformation, visited)
    yield end


def _table_name(operator: Any) -> str:
    """Return the table of a source or sink, from names like `lake.iot.readings` and `telemetry[81]`."""
    return str(operator.getName()).partition("[")[0].removeprefix("Source: ").removeprefix("lake.")


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
        table = _table_name(source)
        if table in sources() and sources()[table].apart:
            source.setChainingStrategy(never)
