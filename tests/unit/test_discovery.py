"""Job files: what their header says, how they are grouped, and that they say the truth."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from jobs.runtime.discovery import FOLDER, Job, find_jobs
from jobs.runtime.job_file import JobFile, read_job_files, read_sql_file, read_step_file
from jobs.runtime.sources import sources
from millrace.errors import MillraceError

pytestmark = pytest.mark.stream

FILES = [read_sql_file(path) for path in sorted(FOLDER.glob("*.sql"))]
STEPS = [file for file in read_job_files(FOLDER) if file.kind == "step"]
# A table stands behind FROM, JOIN or TABLE; what opens a parenthesis is a sub-query or a function.
READ = re.compile(r"\b(?:FROM|JOIN|TABLE)\s+(`[^`]+`|[A-Za-z_][\w.]*(?!\s*\(|[\w.]))", re.IGNORECASE)
WRITTEN = re.compile(r"\bINSERT\s+INTO\s+(`[^`]+`|[\w.]+)", re.IGNORECASE)
CALLED = re.compile(r"\bwrite_(\w+)\(")
NO_TABLE = {"window_start"}  # EXTRACT(SECOND FROM window_start)
HOT = {"latest": "redis.device", "panes": "redis.series", "presence": "redis.device"}


def lay(folder: Path, name: str, kind: str, reads: str, sql: str = "SELECT 1", extra: str = "") -> None:
    if kind == "insert" and "position" not in extra:
        extra += f"position: {1 + len(list(folder.glob('*.sql')))}\n"
    header = f"/* {kind}\nowner: me\nreads: [{reads}]\nabout: it\n{extra}*/\n"
    (folder / f"{name}.sql").write_text(header + sql + "\n")


def names(files: tuple[JobFile, ...]) -> list[str]:
    return [file.name for file in files]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_job_reads_exactly_the_tables_its_header_names(file: JobFile) -> None:
    found = {name.strip("`") for text in file.statements for name in READ.findall(text)} - NO_TABLE
    assert found == set(file.header.reads)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_job_writes_exactly_what_its_header_names(file: JobFile) -> None:
    sql = ";".join(file.statements)
    tables = {name.strip("`").removeprefix("lake.") for name in WRITTEN.findall(sql)} - {"written"}
    assert tables | {HOT[name] for name in CALLED.findall(sql)} == set(file.header.writes)
    assert (file.kind == "insert") == bool(file.header.writes)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_view_is_one_query_and_every_other_statement_an_insert(file: JobFile) -> None:
    openings = [text.split(maxsplit=1)[0].upper() for text in file.statements]
    assert openings == (["SELECT"] if file.kind == "view" else ["INSERT"] * len(openings))
    assert openings


@pytest.mark.parametrize("file", STEPS, ids=lambda file: file.name)
def test_a_step_reads_and_provides_what_its_header_names(file: JobFile) -> None:
    text = (FOLDER / f"{file.name}.py").read_text()
    assert all(f'"{name}"' in text.partition("def provide")[2] for name in file.header.provides)
    assert all(f'keyed_step(tables, "{name}"' in text for name in file.header.reads)
    assert file.header.about


def test_every_view_is_used_and_every_insert_runs() -> None:
    jobs = find_jobs()
    made = {file.name for file in [*FILES, *STEPS] if file.kind != "insert"}
    assert {name for job in jobs for name in names(job.views)} == made
    assert sorted(name for job in jobs for name in names(job.inserts)) == sorted(
        file.name for file in FILES if file.kind == "insert"
    )
    assert {job.name for job in jobs} <= {source.job for source in sources().values()}


def test_a_job_is_called_after_its_source_unless_the_source_says_otherwise() -> None:
    assert sources()["telemetry"].job == "telemetry"
    assert sources()["arrivals"].job == "sessions"
    assert {job.name for job in find_jobs()} >= {"telemetry", "sessions"}


def test_a_step_gives_views_to_others_and_comes_once(tmp_path: Path) -> None:
    header = {"owner": "me", "reads": ["telemetry"], "provides": ["left", "right"]}
    (tmp_path / "both.py").write_text(f'"""Two views."""\n\nHEADER = {header}\n')
    (tmp_path / "commands.py").write_text('"""No job file."""\n')
    lay(tmp_path, "one", "insert", "left")
    lay(tmp_path, "two", "insert", "right")
    (job,) = find_jobs(tmp_path)
    assert (names(job.views), names(job.inserts)) == (["both"], ["one", "two"])
    assert job.views[0].header.about == "Two views."


@pytest.mark.parametrize(("asked", "given"), [(["", ""], 3), (["1", ""], 1), (["1", "4"], 4)])
def test_a_job_has_the_subtasks_its_inserts_ask_for_else_the_stacks(
    tmp_path: Path, asked: list[str], given: int
) -> None:
    for name, wanted in zip("ab", asked, strict=True):
        lay(tmp_path, name, "insert", "telemetry", extra=f"parallelism: {wanted}\n" if wanted else "")
    (job,) = find_jobs(tmp_path)
    assert job.subtasks(3) == given


@pytest.mark.parametrize(("stack", "given"), [(1, 1), (2, 1), (5, 3), (16, 8)])
def test_a_job_whose_source_says_so_has_a_share_of_the_subtasks(
    tmp_path: Path, stack: int, given: int
) -> None:
    lay(tmp_path, "a", "insert", "arrivals")
    (job,) = find_jobs(tmp_path)
    assert job.subtasks(stack) == given


def test_a_topic_with_the_name_of_a_job_says_nothing_of_it(tmp_path: Path) -> None:
    lay(tmp_path, "a", "insert", "arrivals")
    (job,) = find_jobs(tmp_path)
    assert replace(job, name="alerts").subtasks(4) == 2


def test_inserts_of_one_source_are_one_job(tmp_path: Path) -> None:
    lay(tmp_path, "a", "insert", "telemetry")
    lay(tmp_path, "b", "insert", "telemetry")
    lay(tmp_path, "c", "insert", "telemetry.dead-letter")
    assert [(job.name, names(job.inserts)) for job in find_jobs(tmp_path)] == [
        ("telemetry", ["a", "b"]),
        ("telemetry.dead-letter", ["c"]),
    ]


def test_inserts_come_in_the_order_of_their_positions_whatever_their_files_are_called(tmp_path: Path) -> None:
    lay(tmp_path, "z", "insert", "telemetry", extra="position: 1\n")
    lay(tmp_path, "a", "insert", "telemetry", extra="position: 2\n")
    (job,) = find_jobs(tmp_path)
    assert names(job.inserts) == ["z", "a"]


def test_two_inserts_of_a_job_at_one_position_are_refused(tmp_path: Path) -> None:
    lay(tmp_path, "a", "insert", "telemetry", extra="position: 4\n")
    lay(tmp_path, "b", "insert", "telemetry", extra="position: 4\n")
    with pytest.raises(MillraceError, match="position 4 of job telemetry is that of a") as raised:
        find_jobs(tmp_path)
    assert raised.value.mend == "Give the newer of the two the next free number, 5."


def test_a_view_follows_the_views_it_reads_and_comes_once(tmp_path: Path) -> None:
    lay(tmp_path, "a_last", "view", "z_first, m_middle")
    lay(tmp_path, "m_middle", "view", "z_first")
    lay(tmp_path, "z_first", "view", "telemetry")
    lay(tmp_path, "unused", "view", "telemetry")
    lay(tmp_path, "one", "insert", "a_last")
    lay(tmp_path, "two", "insert", "m_middle")
    (job,) = find_jobs(tmp_path)
    assert isinstance(job, Job)
    assert names(job.views) == ["z_first", "m_middle", "a_last"]


def test_a_job_that_reads_two_sources_is_refused(tmp_path: Path) -> None:
    lay(tmp_path, "both", "insert", "telemetry, telemetry.dead-letter")
    with pytest.raises(MillraceError, match="job both reads 2 sources"):
        find_jobs(tmp_path)


def test_a_name_nobody_knows_is_refused_where_it_stands(tmp_path: Path) -> None:
    lay(tmp_path, "one", "insert", "middle")
    lay(tmp_path, "middle", "view", "telemetri")
    with pytest.raises(MillraceError, match="`reads: telemetri`") as raised:
        find_jobs(tmp_path)
    assert raised.value.where == "jobs/middle.sql"


def test_statements_are_told_apart_by_the_semicolon_that_ends_a_line(tmp_path: Path) -> None:
    lay(tmp_path, "one", "insert", "telemetry", "INSERT INTO a SELECT ';' FROM t;\n\nINSERT INTO b SELECT 1;")
    assert read_sql_file(tmp_path / "one.sql").statements == (
        "INSERT INTO a SELECT ';' FROM t",
        "INSERT INTO b SELECT 1",
    )


def test_a_job_file_that_is_no_text_or_no_python_is_named_with_its_line(tmp_path: Path) -> None:
    sql, step = tmp_path / "job.sql", tmp_path / "step.py"
    sql.write_bytes(b"/* view\nowner: me\nabout: \xe4\n*/\n")
    step.write_text('"""A step."""\n\ndef x(:\n')
    with pytest.raises(MillraceError, match="no UTF-8") as raised:
        read_sql_file(sql)
    assert raised.value.where == f"{sql}, line 3"
    with pytest.raises(MillraceError, match="no Python") as raised:
        read_step_file(step)
    assert raised.value.where == f"{step}, line 3"


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("SELECT 1\n", "begins with"),
        ("/* table\nowner: me\nreads: []\nabout: it\n*/\nSELECT 1\n", "begins with"),
        ("/* view\nowner: me\nSELECT 1\n", "begins with"),
        ("/* view\nowner: me\nreads: []\nabout: it\nwritse: [x]\n*/\nSELECT 1\n", "writse"),
        ("/* view\nowner: me\nabout: it\n*/\nSELECT 1\n", "reads"),
        ("/* view\nowner: [me\n*/\nSELECT 1\n", "header is wrong"),
        ("/* view\n*/\nSELECT 1\n", "header is wrong"),
        ("/* insert\nowner: me\nreads: []\nabout: it\n*/\nINSERT INTO a SELECT 1\n", "has a `position`"),
        ("/* view\nowner: me\nreads: []\nabout: it\nposition: 1\n*/\nSELECT 1\n", "a view has none"),
    ],
)
def test_a_wrong_header_says_what_is_wrong_and_in_which_file(tmp_path: Path, text: str, wrong: str) -> None:
    path = tmp_path / "job.sql"
    path.write_text(text)
    with pytest.raises(MillraceError, match=wrong) as raised:
        read_sql_file(path)
    assert raised.value.where == str(path)
