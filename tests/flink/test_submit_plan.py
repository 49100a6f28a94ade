"""`millrace submit --dry-run`: wrong SQL names file and line, a plan is three lines, state is found again."""

import json
import re
import time
from pathlib import Path

import pytest
from pyflink.table import StreamTableEnvironment

from jobs.runtime.discovery import Job
from jobs.runtime.flink_errors import blamed_on_connector, blamed_on_tables
from jobs.runtime.job_file import read_sql_file
from jobs.runtime.plan import attach, graph_uids, plan
from jobs.runtime.planned import State, change, recall, remember, state_of
from millrace.errors import MillraceError
from tests.flink.local_stream import local_environment

pytestmark = [pytest.mark.flink, pytest.mark.stream]

HEADER = "/* {kind}\nowner: x\nreads: [src]\n{more}about: x\n*/\n"
INSERT = HEADER.format(kind="insert", more="writes: [snk]\nposition: 1\n")


@pytest.fixture
def tables(tmp_path: Path) -> StreamTableEnvironment:
    return declared(tmp_path)


def declared(folder: Path) -> StreamTableEnvironment:
    found = local_environment(folder)
    found.execute_sql(
        "CREATE TEMPORARY TABLE src (a STRING, b INT, t AS PROCTIME()) "
        "WITH ('connector' = 'datagen', 'rows-per-second' = '1000', 'fields.b.min' = '0', "
        "'fields.b.max' = '9')"
    )
    found.execute_sql("CREATE TEMPORARY TABLE snk (a STRING, b BIGINT) WITH ('connector' = 'blackhole')")
    return found


def job_of(folder: Path, insert: str, view: str | None = None) -> Job:
    (folder / "jobs").mkdir(exist_ok=True)
    files = []
    if view is not None:
        (folder / "jobs" / "seen.sql").write_text(HEADER.format(kind="view", more="") + view)
        files.append(read_sql_file(folder / "jobs" / "seen.sql"))
    (folder / "jobs" / "copied.sql").write_text(INSERT + insert)
    return Job(name="src", views=tuple(files), inserts=(read_sql_file(folder / "jobs" / "copied.sql"),))


@pytest.mark.parametrize(
    ("insert", "place", "said"),
    [
        (
            "INSERT INTO snk\nSELECT a,\n  b FORM src",
            "jobs/copied.sql, line 10, column 10",
            "the SQL is wrong at 'src'",
        ),
        (
            "\n\nINSERT INTO snk\nSELECT a, c FROM src",
            "jobs/copied.sql, line 11, column 11",
            "Column 'c' not found",
        ),
        (
            "INSERT INTO snk SELECT a, b FROM src;\n\n-- two\nINSERT INTO snk\nSELECT a, nofn(b) FROM src",
            "jobs/copied.sql, line 12, column 11",
            "No match found for function signature nofn",
        ),
        (
            "INSERT INTO snk SELECT a, b FROM nosrc",
            "jobs/copied.sql, line 8, column 34",
            "there is no table 'nosrc'",
        ),
        ("INSERT INTO nosink SELECT a, b FROM src", "jobs/copied.sql, line 8", "there is no table 'nosink'"),
        (
            "INSERT INTO snk SELECT a FROM src",
            "jobs/copied.sql, line 8",
            "Column types of query result and sink",
        ),
        (
            "INSERT INTO snk SELECT b, a FROM src",
            "jobs/copied.sql, line 8",
            "Column types of query result and sink",
        ),
    ],
)
def test_wrong_sql_is_a_sentence_with_file_and_line(
    tables: StreamTableEnvironment, tmp_path: Path, insert: str, place: str, said: str
) -> None:
    job = job_of(tmp_path, insert)
    with pytest.raises(MillraceError) as raised, blamed_on_tables(job):
        plan(tables, job).explain()
    assert raised.value.where == place
    assert said in raised.value.what
    assert not re.search(r"\n|org\.apache|\bat .*\.java", str(raised.value))
    assert len(str(raised.value)) < 900


def test_wrong_sql_of_a_view_names_the_view(tables: StreamTableEnvironment, tmp_path: Path) -> None:
    job = job_of(tmp_path, "INSERT INTO snk SELECT a, b FROM seen", view="SELECT a,\n  x\nFROM src")
    with pytest.raises(MillraceError, match="Column 'x' not found") as raised:
        plan(tables, job)
    assert raised.value.where == "jobs/seen.sql, line 7, column 3"


def test_a_catalog_that_does_not_answer_is_a_sentence(tables: StreamTableEnvironment) -> None:
    with pytest.raises(MillraceError) as raised, blamed_on_connector("lake.sql"):
        tables.execute_sql("CREATE CATALOG lake WITH ('type' = 'hive-of-bees')")
    assert raised.value.where == "jobs/runtime/sql/lake.sql"
    assert "\n" not in str(raised.value)


def test_what_is_added_changed_and_removed_is_told_from_what_was_submitted(tmp_path: Path) -> None:
    state = State(None, 0, ())
    first = job_of(tmp_path, "INSERT INTO snk SELECT a, b FROM src", view="SELECT a FROM src")
    assert recall(tmp_path, "src") is None
    assert change(first, None, state).lines() == (
        "src added: copied, seen",
        "src changed: nothing",
        "src state: none yet, the job starts from the beginning of its log",
    )
    remember(tmp_path, first, "0" * 32)
    assert change(first, recall(tmp_path, "src"), state).lines()[:2] == (
        "src added: nothing",
        "src changed: nothing",
    )
    second = job_of(tmp_path, "INSERT INTO snk SELECT a, 2 * b FROM src")
    assert change(second, recall(tmp_path, "src"), State("chk-1", 2, ())).lines() == (
        "src added: nothing",
        "src changed: copied; removed: seen",
        "src state: kept, 2 of 2 operators, from chk-1",
    )
    (tmp_path / "submitted" / "src.json").write_text("{")
    assert recall(tmp_path, "src") is None


SUMS = "INSERT INTO snk\nSELECT a, SUM(b) FROM (SELECT CAST(b AS STRING) AS a, b FROM src) GROUP BY a"


def test_state_of_a_checkpoint_is_kept_by_the_same_plan_and_lost_by_another(
    tables: StreamTableEnvironment, tmp_path: Path
) -> None:
    job = job_of(tmp_path, SUMS.replace("snk", "sums"))
    tables.execute_sql(
        "CREATE TEMPORARY TABLE sums (a STRING, b BIGINT, PRIMARY KEY (a) NOT ENFORCED) "
        "WITH ('connector' = 'blackhole')"
    )
    environment, _ = attach(tables, plan(tables, job), ["sums"])
    running = environment.execute_async("src")
    checkpoint = wait_for_checkpoint(tmp_path / "checkpoints")
    running.cancel().result()
    same = graph_uids(tables, plan(tables, job), ["sums"])
    kept = state_of(checkpoint, same)
    assert kept.source == checkpoint.name
    assert (kept.kept, kept.lost) == (1, ())
    fresh = declared(tmp_path)
    other = plan(fresh, job_of(tmp_path, "INSERT INTO snk SELECT a, b FROM src WHERE b > 1"))
    lost = state_of(checkpoint, graph_uids(fresh, other, ["snk"]))
    assert (lost.kept, lost.lost) == (0, ("sums/group-aggregate-1",))
    assert "LOST" in change(job, None, lost).lines()[2]
    json.dumps(lost._asdict())


def wait_for_checkpoint(folder: Path) -> Path:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for found in folder.glob("*/chk-*/_metadata"):
            # The first may be taken before anything was read.
            if int(found.parent.name.removeprefix("chk-")) >= 3:
                return found.parent
        time.sleep(0.05)
    raise TimeoutError("no checkpoint")
