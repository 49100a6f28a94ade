"""Tables are made and changed as their files say, in a real catalog."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pyiceberg.catalog.sql import SqlCatalog

from catalog import tables
from catalog.ddl import read_table, table_files
from catalog.tables import apply_tables
from millrace.errors import MillraceError

pytestmark = [pytest.mark.integration, pytest.mark.stream]

DEFINITION = """
/* table */
CREATE TABLE iot.sample (name STRING NOT NULL{more})
USING iceberg
TBLPROPERTIES ('format-version' = '2')
"""


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[SqlCatalog]:
    place = {
        "uri": f"sqlite:///{tmp_path}/catalog.db",
        "warehouse": tmp_path.as_uri(),
        "schema_version": "v1",
    }
    catalog = SqlCatalog("lake", **place)
    yield catalog
    catalog.close()


class Files:
    """A folder with one table file that a test rewrites."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def say(self, more: str = "") -> None:
        self.path.write_text(DEFINITION.format(more=more))


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Files:
    found = Files(tmp_path / "sample.sql")
    found.say()
    monkeypatch.setattr(tables, "table_files", lambda: [found.path])
    return found


def test_every_table_of_the_project_is_made_as_its_file_says(lake: SqlCatalog) -> None:
    assert apply_tables(lake) == [f"created iot.{path.stem}" for path in table_files()]
    for path in table_files():
        wanted, made = read_table(path), lake.load_table(("iot", path.stem))
        assert made.schema().as_struct() == wanted.schema.as_struct()
        assert made.spec().fields == wanted.partitions.fields
        assert made.metadata.format_version == 2
        kept = {name: text for name, text in wanted.properties.items() if name != "format-version"}
        assert kept.items() <= made.properties.items()


def test_applying_again_changes_nothing(lake: SqlCatalog) -> None:
    apply_tables(lake)
    before = {path.stem: lake.load_table(("iot", path.stem)).metadata_location for path in table_files()}
    assert apply_tables(lake) == []
    after = {path.stem: lake.load_table(("iot", path.stem)).metadata_location for path in table_files()}
    assert after == before


def test_a_new_column_is_added_and_old_ones_keep_their_numbers(lake: SqlCatalog, files: Files) -> None:
    apply_tables(lake)
    files.say(", place STRUCT<lat: DOUBLE, lon: DOUBLE> COMMENT 'where', number BIGINT")
    assert apply_tables(lake) == ["added iot.sample.place", "added iot.sample.number"]
    schema = lake.load_table(("iot", "sample")).schema()
    assert [(field.name, field.required, field.doc) for field in schema.fields] == [
        ("name", True, None),
        ("place", False, "where"),
        ("number", False, None),
    ]
    assert schema.find_field("name").field_id == 1
    assert apply_tables(lake) == []


def test_a_new_required_column_is_refused_and_the_table_stays_as_it_was(
    lake: SqlCatalog, files: Files
) -> None:
    apply_tables(lake)
    files.say(", number BIGINT NOT NULL")
    with pytest.raises(MillraceError, match=r"iot\.sample cannot gain required column number"):
        apply_tables(lake)
    assert [field.name for field in lake.load_table(("iot", "sample")).schema().fields] == ["name"]
