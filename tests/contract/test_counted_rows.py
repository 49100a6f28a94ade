"""Every statement that asks which readings count says the same as catalog/marks.py."""

import re
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from catalog.marks import MARKS, NOT_COUNTED, is_counted

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("api", "catalog", "jobs", "ml", "udfs", "tests/oracle")
WORDS = f"mark NOT IN ({', '.join(repr(mark) for mark in NOT_COUNTED)})"
RECIPES = re.findall(
    r"## (\w+)\n.*?```sql\n(.*?)```", (ROOT / "docs/readings_valid.md").read_text(), re.DOTALL
)


def test_no_statement_leaves_out_duplicates_alone() -> None:
    files = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.sql")]
    assert sum(WORDS in path.read_text() for path in files) >= 5
    alone = [path.name for path in files if re.search(r"mark\s*(<>|!=)\s*'duplicate'", path.read_text())]
    # What settles repetitions looks at what is replaced, too.
    assert alone == ["repetitions.sql"]


def test_no_reader_names_the_marks_that_do_not_count_but_the_one_place() -> None:
    files = [path for folder in FOLDERS[:-1] for path in (ROOT / folder).rglob("*.py")]
    named = [
        path.name
        for path in files
        if re.search(r"""(!=|not_equal\([^)]*),?\s*"duplicate\"""", path.read_text())
    ]
    assert named == []


@pytest.mark.parametrize(("engine", "statement"), RECIPES, ids=[engine for engine, _ in RECIPES])
def test_the_recipe_of_each_engine_says_it(engine: str, statement: str) -> None:
    assert "readings_valid" in statement
    assert statement.rstrip().endswith(WORDS)


def test_the_view_for_duckdb_shows_the_rows_that_count() -> None:
    rows = pa.table({"mark": list(MARKS), "n": range(len(MARKS))})
    with duckdb.connect() as connection:
        connection.register("readings", rows)
        connection.execute(dict(RECIPES)["DuckDB"])
        found = connection.execute("SELECT n FROM readings_valid ORDER BY n").fetchall()
    assert [n for (n,) in found] == rows.filter(is_counted(rows["mark"]))["n"].to_pylist() == [0, 1]
