"""How Flink plans the jobs: what they read once, and what a savepoint can find again."""

from collections import Counter
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from pyflink.table import StreamTableEnvironment

from jobs.runtime import connectors
from jobs.runtime.connectors import _SQL
from jobs.runtime.discovery import Job, find_jobs
from jobs.runtime.plan import attach, plan
from millrace.settings import ROOT
from tests.flink.local_stream import OUT_OF_ORDERNESS, TABLES, columns_of, local_environment

pytestmark = [pytest.mark.flink, pytest.mark.stream]

JOBS = [job.name for job in find_jobs()]
# Wires between operators, not operators: they hold no state and take no uid.
WIRES = {"PartitionTransformation", "UnionTransformation", "SideOutputTransformation"}


class Operator(NamedTuple):
    """An operator as the planner made it."""

    kind: str
    name: str
    uid: str | None
    chaining: str


class Planned(NamedTuple):
    """The plan as text, its operators, and the ids Flink gives them when it makes a graph of it."""

    text: str
    operators: list[Operator]
    graph: list[tuple[str, str]]


def declare(tables: StreamTableEnvironment, folder: Path, job: Job) -> None:
    """Declare what a job uses with the real connectors; nothing is read or written."""
    values = {"bootstrap": "127.0.0.1:9", "idle_partition_ms": 5000, "out_of_orderness": OUT_OF_ORDERNESS}
    for path in set(_SQL.glob("*.sql")) - {_SQL / "lake.sql"}:
        tables.execute_sql(path.read_text().format(**values))
    lake = f"'type' = 'iceberg', 'catalog-type' = 'hadoop', 'warehouse' = '{(folder / 'lake').as_uri()}'"
    tables.execute_sql(f"CREATE CATALOG lake WITH ({lake})")
    tables.execute_sql("CREATE DATABASE lake.iot")
    for name in {name for file in job.inserts for name in file.header.writes if name.startswith("iot.")}:
        columns = columns_of(TABLES / f"{name.removeprefix('iot.')}.sql")
        tables.execute_sql(f"CREATE TABLE lake.{name} ({columns})")
    for path in Path(connectors.__file__).parent.glob("udf_*.py"):
        function = import_module(f"jobs.runtime.{path.stem}").FUNCTION
        tables.create_temporary_system_function(path.stem.removeprefix("udf_"), function)


@pytest.fixture(scope="module")
def plans(jobs: dict[str, Job], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Planned]:
    return {name: planned_job(job, tmp_path_factory.mktemp("plan")) for name, job in jobs.items()}


def planned_job(job: Job, folder: Path) -> Planned:
    tables = local_environment(folder)
    declare(tables, folder, job)
    statements = plan(tables, job)
    text = statements.explain()
    environment, made = attach(tables, statements, job.writes)
    graph = environment._generate_stream_graph()
    nodes = list(graph.getStreamNodes().toArray())
    return Planned(
        text,
        [_operator(one) for one in made],
        [(node.getOperatorName(), node.getTransformationUID()) for node in nodes],
    )


def _operator(one: Any) -> Operator:
    strategy = ""
    if one.getClass().getSimpleName() == "SourceTransformation":
        strategy = str(one.getChainingStrategy())
    return Operator(one.getClass().getSimpleName(), one.getName(), one.getUid(), strategy)


@pytest.fixture(scope="module")
def planned(plans: dict[str, Planned]) -> Planned:
    """The plan of the job that reads telemetry."""
    return plans["telemetry"]


def test_the_topic_is_read_once_for_all_sinks(planned: Planned, job: Job) -> None:
    _, _, executed = planned.text.partition("== Optimized Execution Plan ==")
    assert executed.count("TableSourceScan(") == 1
    assert executed.count("classify(") == 1
    # The two functions that write share one sink: their statements differ, their table does not.
    assert executed.count("Sink(table=[") == len({name for f in job.inserts for name in f.header.writes}) - 1


def test_panes_are_built_once_and_minutes_from_them(planned: Planned) -> None:
    _, _, executed = planned.text.partition("== Optimized Execution Plan ==")
    assert executed.count(" GlobalWindowAggregate(") == 2
    assert executed.count("time_col=[event_time], size=[10 s]") == 1
    assert executed.count("time_col=[pane_time], size=[1 min]") == 1


@pytest.mark.parametrize("name", JOBS)
def test_every_operator_has_a_uid_of_its_own(plans: dict[str, Planned], name: str) -> None:
    made = [one for one in plans[name].operators if one.kind not in WIRES]
    assert len(made) >= 2
    assert [one.name for one in made if not one.uid] == []
    assert len({one.uid for one in made}) == len(made)


@pytest.mark.parametrize("name", JOBS)
def test_every_operator_of_the_running_graph_has_a_uid(plans: dict[str, Planned], name: str) -> None:
    """Sinks become writers and committers only here."""
    assert [node for node, uid in plans[name].graph if not uid] == []


@pytest.mark.parametrize("name", JOBS)
def test_a_savepoint_finds_its_operators_by_pinned_names(plans: dict[str, Planned], name: str) -> None:
    """A name that changes loses its state: add to the list, and say in the ADR why one goes away."""
    pinned = yaml.safe_load((ROOT / "tests/contract/names.yaml").read_text())["operators"]
    assert sorted(uid for _, uid in plans[name].graph) == pinned[name]


def test_a_job_planned_after_another_has_the_same_names(jobs: dict[str, Job], tmp_path: Path) -> None:
    again = [planned_job(jobs["telemetry.dead-letter"], tmp_path / str(time)) for time in (1, 2)]
    assert {uid for _, uid in again[0].graph} == {uid for _, uid in again[1].graph}


@pytest.mark.parametrize("name", JOBS)
def test_operators_of_the_lake_are_called_after_their_table(
    plans: dict[str, Planned], jobs: dict[str, Job], name: str
) -> None:
    uids = [uid for _, uid in plans[name].graph]
    written = {table for file in jobs[name].inserts for table in file.header.writes}
    for table in {table for table in written if table.startswith("iot.")}:
        assert any(table in uid for uid in uids), (table, sorted(uids))


def test_the_source_of_presence_stands_apart_and_that_of_readings_does_not(plans: dict[str, Planned]) -> None:
    found = {name: [one.chaining for one in plans[name].operators if one.chaining] for name in JOBS}
    assert found["sessions"] == ["NEVER"]
    assert found["telemetry"] == ["ALWAYS"]


def test_everything_of_a_second_comes_to_a_shard_in_one_row(plans: dict[str, Planned]) -> None:
    kinds = Counter(one.name.partition("[")[0] for one in plans["sessions"].operators)
    once = ("arrivals", "PythonCalc", "LocalWindowAggregate", "GlobalWindowAggregate", "advance-shards")
    # The second function writes presence.
    assert {name: kinds[name] for name in once} == dict.fromkeys(once, 1) | {"PythonCalc": 2}
