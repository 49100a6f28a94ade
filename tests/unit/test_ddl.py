"""Table files become Iceberg schemas, and what Iceberg has no word for is refused by name."""

from pathlib import Path

import pytest
from pyiceberg.schema import Schema
from pyiceberg.transforms import DayTransform, HourTransform, IdentityTransform, MonthTransform
from pyiceberg.types import DoubleType, LongType, MapType, StringType, StructType, TimestamptzType

from catalog.ddl import read_table, table_files
from millrace.errors import MillraceError

pytestmark = pytest.mark.stream

EVERYTHING = """
/* table
owner: somebody
*/
CREATE TABLE iot.sample (
  name STRING NOT NULL COMMENT 'who',
  at TIMESTAMP NOT NULL,
  place STRUCT<lat: DOUBLE, tags: MAP<STRING, BIGINT>>,
  metrics MAP<STRING, DOUBLE>,
  number BIGINT
)
USING iceberg
PARTITIONED BY ({partitions})
TBLPROPERTIES ('format-version' = '2', 'write.parquet.compression-codec' = 'zstd')
"""


def table(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "sample.sql"
    path.write_text(text)
    return path


def every_id(schema: Schema) -> list[int]:
    return sorted(schema._lazy_id_to_field)


@pytest.mark.parametrize("path", table_files(), ids=lambda path: path.stem)
def test_every_table_of_the_project_is_named_like_its_file_and_stays_readable(path: Path) -> None:
    found = read_table(path)
    namespace, _, name = path.stem.rpartition(".")
    assert found.name == (namespace or "iot", name)
    # PyIceberg and DuckDB read version 2; see the architecture.
    assert found.properties["format-version"] == "2"
    assert every_id(found.schema) == list(range(1, len(every_id(found.schema)) + 1))
    assert [field.transform for field in found.partitions.fields] == [MonthTransform()]


def test_there_are_tables() -> None:
    assert {"readings", "rollups_1m"} <= {path.stem for path in table_files()}


def test_columns_keep_name_type_need_and_comment(tmp_path: Path) -> None:
    schema = read_table(table(tmp_path, EVERYTHING.format(partitions="number"))).schema
    assert [(f.name, f.required, f.doc) for f in schema.fields] == [
        ("name", True, "who"),
        ("at", True, None),
        ("place", False, None),
        ("metrics", False, None),
        ("number", False, None),
    ]
    kinds = [type(field.field_type) for field in schema.fields]
    assert kinds == [StringType, TimestamptzType, StructType, MapType, LongType]
    assert schema.find_type("metrics.value") == DoubleType()
    assert schema.find_type("place.tags.value") == LongType()


def test_top_level_columns_are_numbered_before_what_is_inside_them(tmp_path: Path) -> None:
    """Iceberg numbers a new table like this: Flink and PyIceberg must agree about it."""
    schema = read_table(table(tmp_path, EVERYTHING.format(partitions="number"))).schema
    assert [field.field_id for field in schema.fields] == [1, 2, 3, 4, 5]
    assert every_id(schema) == list(range(1, 12))


@pytest.mark.parametrize(
    ("clause", "transform", "name", "column"),
    [
        ("months(at)", MonthTransform(), "at_month", "at"),
        ("days(at)", DayTransform(), "at_day", "at"),
        ("hours(at)", HourTransform(), "at_hour", "at"),
        ("name", IdentityTransform(), "name", "name"),
    ],
)
def test_partitions_are_understood(
    tmp_path: Path, clause: str, transform: object, name: str, column: str
) -> None:
    found = read_table(table(tmp_path, EVERYTHING.format(partitions=clause)))
    (field,) = found.partitions.fields
    assert (field.transform, field.name) == (transform, name)
    assert field.source_id == found.schema.find_field(column).field_id


def test_properties_are_the_ones_written_down_and_no_others(tmp_path: Path) -> None:
    found = read_table(table(tmp_path, EVERYTHING.format(partitions="number")))
    assert found.properties == {"format-version": "2", "write.parquet.compression-codec": "zstd"}


@pytest.mark.parametrize("kind", ["DECIMAL(10, 2)", "MAP<STRING, DATE>", "STRUCT<a: DATE>"])
def test_an_unknown_type_is_refused_with_the_file_s_name(tmp_path: Path, kind: str) -> None:
    path = table(tmp_path, EVERYTHING.format(partitions="name").replace("BIGINT\n)", f"{kind}\n)"))
    with pytest.raises(MillraceError, match="is not known here") as raised:
        read_table(path)
    assert raised.value.where == str(path)


def test_a_file_that_creates_no_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MillraceError, match="not one CREATE TABLE"):
        read_table(table(tmp_path, "SELECT 1"))


def test_what_a_column_was_called_before_stands_behind_it(tmp_path: Path) -> None:
    text = EVERYTHING.format(partitions="name").replace(
        "at TIMESTAMP NOT NULL,", "at TIMESTAMP NOT NULL, -- was: measured_at"
    )
    assert read_table(table(tmp_path, text)).earlier_names == {"at": "measured_at"}


def test_the_sort_order_is_the_one_written_down(tmp_path: Path) -> None:
    text = EVERYTHING.format(partitions="name").replace(
        "'format-version' = '2'", "'format-version' = '2', 'millrace.sorted-by' = 'number, at'"
    )
    found = read_table(table(tmp_path, text))
    assert [field.source_id for field in found.order.fields] == [5, 2]


def test_the_archive_has_the_columns_of_the_readings() -> None:
    tables = {path.stem: read_table(path) for path in table_files()}
    assert tables["iot_archive.readings"].schema == tables["readings"].schema
    assert tables["iot_archive.readings"].partitions == tables["readings"].partitions
