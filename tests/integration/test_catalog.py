"""Tables are made and changed as their files say, in a real catalog."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.table import Table

from catalog import tables
from catalog.ddl import read_table, table_files
from catalog.tables import apply_tables
from millrace.errors import MillraceError

pytestmark = [pytest.mark.integration, pytest.mark.stream]

DEFINITION = """
/* table */
CREATE TABLE iot.sample (name STRING NOT NULL{more})
USING iceberg
{partitions}
TBLPROPERTIES ('format-version' = '2'{properties})
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

    def say(self, more: str = "", properties: str = "", partitions: str = "") -> None:
        self.path.write_text(DEFINITION.format(more=more, properties=properties, partitions=partitions))


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Files:
    found = Files(tmp_path / "sample.sql")
    found.say()
    monkeypatch.setattr(tables, "table_files", lambda: [found.path])
    return found


def test_every_table_of_the_project_is_made_as_its_file_says(lake: SqlCatalog) -> None:
    wanted_tables = [read_table(path) for path in table_files()]
    assert apply_tables(lake) == [f"created {'.'.join(wanted.name)}" for wanted in wanted_tables]
    for wanted in wanted_tables:
        made = lake.load_table(wanted.name)
        assert made.schema().as_struct() == wanted.schema.as_struct()
        assert made.spec().fields == wanted.partitions.fields
        assert made.metadata.format_version == 2
        kept = {name: text for name, text in wanted.properties.items() if name != "format-version"}
        assert kept.items() <= made.properties.items()


def test_applying_again_changes_nothing(lake: SqlCatalog) -> None:
    apply_tables(lake)
    names = [read_table(path).name for path in table_files()]
    before = [lake.load_table(name).metadata_location for name in names]
    assert apply_tables(lake) == []
    assert [lake.load_table(name).metadata_location for name in names] == before


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
    with pytest.raises(MillraceError, match="cannot gain required column number"):
        apply_tables(lake)
    assert [field.name for field in lake.load_table(("iot", "sample")).schema().fields] == ["name"]


OLD = ", number INT, share FLOAT NOT NULL, place STRUCT<lat: DOUBLE>"


def grown(lake: SqlCatalog, files: Files) -> tuple[Table, int]:
    """Return a table with a row of its first shape, and the snapshot that holds it."""
    files.say(OLD)
    apply_tables(lake)
    table = lake.load_table(("iot", "sample"))
    row = {"name": "a", "number": 7, "share": 0.5, "place": {"lat": 1.0}}
    table.append(pa.Table.from_pylist([row], schema=table.schema().as_arrow()))
    snapshot = table.current_snapshot()
    assert snapshot is not None
    return table, snapshot.snapshot_id


def test_columns_are_renamed_widened_eased_and_added_in_one_commit_and_old_rows_stay_readable(
    lake: SqlCatalog, files: Files
) -> None:
    table, then = grown(lake, files)
    files.say("""
      , amount BIGINT -- was: number
      , share DOUBLE COMMENT 'of the whole'
      , place STRUCT<lat: DOUBLE, lon: DOUBLE>
      , more STRING
    """)
    before = len(table.metadata.schemas)
    assert apply_tables(lake) == [
        "renamed iot.sample.number to amount",
        "added iot.sample.place.lon",
        "added iot.sample.more",
        "widened iot.sample.amount to long",
        "widened iot.sample.share to double",
        "made iot.sample.share optional",
        "described iot.sample.share",
    ]
    table = lake.load_table(("iot", "sample"))
    assert len(table.metadata.schemas) > before
    row = {"name": "b", "amount": 2**40, "share": None, "place": {"lat": 2.0, "lon": 3.0}, "more": "x"}
    table.append(pa.Table.from_pylist([row], schema=table.schema().as_arrow()))
    old = {"name": "a", "amount": 7, "share": 0.5, "place": {"lat": 1.0, "lon": None}, "more": None}
    assert sorted(table.scan().to_arrow().to_pylist(), key=lambda one: one["name"]) == [old, row]
    assert table.scan(snapshot_id=then).to_arrow().to_pylist() == [
        {"name": "a", "number": 7, "share": 0.5, "place": {"lat": 1.0}}
    ]
    assert apply_tables(lake) == []


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        (OLD.replace("number INT", "number STRING"), "number is int and cannot become string"),
        (OLD.replace("number INT", "number INT NOT NULL"), "number may be null in older rows"),
        (OLD.replace("FLOAT", "BIGINT"), "share is float and cannot become long"),
        (
            OLD.replace("STRUCT<lat: DOUBLE>", "DOUBLE"),
            "place is struct<lat: double> and cannot become double",
        ),
        (OLD + ", extra BIGINT NOT NULL", "cannot gain required column extra"),
    ],
)
def test_a_change_that_would_break_old_rows_is_refused_whole(
    lake: SqlCatalog, files: Files, more: str, reason: str
) -> None:
    table, _ = grown(lake, files)
    files.say(more + ", harmless STRING")
    with pytest.raises(MillraceError, match=reason) as raised:
        apply_tables(lake)
    assert raised.value.where == "schemas/tables/sample.sql"
    assert lake.load_table(("iot", "sample")).metadata_location == table.metadata_location


def test_another_partitioning_is_refused(lake: SqlCatalog, files: Files) -> None:
    apply_tables(lake)
    files.say(partitions="PARTITIONED BY (name)")
    with pytest.raises(MillraceError, match="its partitioning differs"):
        apply_tables(lake)


def test_properties_and_sort_order_follow_the_file(lake: SqlCatalog, files: Files) -> None:
    apply_tables(lake)
    files.say(", number INT", ", 'millrace.sorted-by' = 'number, name', 'write.x' = '1'")
    assert apply_tables(lake) == [
        "added iot.sample.number",
        "set iot.sample millrace.sorted-by = number, name",
        "set iot.sample write.x = 1",
        "sorted iot.sample anew",
    ]
    table = lake.load_table(("iot", "sample"))
    assert [field.source_id for field in table.sort_order().fields] == [2, 1]
    assert apply_tables(lake) == []


def test_a_column_the_file_does_not_name_is_left_alone(lake: SqlCatalog, files: Files) -> None:
    files.say(", number INT")
    apply_tables(lake)
    files.say()
    assert apply_tables(lake) == []
    assert lake.load_table(("iot", "sample")).schema().column_names == ["name", "number"]
