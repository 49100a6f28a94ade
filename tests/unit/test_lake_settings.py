"""Catalog and warehouse follow one setting each, for every engine."""

from pathlib import Path

import pytest
from pyiceberg.catalog import sql

from catalog.lake import engine_properties, io_properties, load_lake
from millrace.settings import Lake, Settings

pytestmark = pytest.mark.lakehouse


def config(home: Path, lake: Lake) -> Settings:
    return Settings(home=home, lake=lake)


def test_by_default_the_catalog_is_in_postgresql_and_the_warehouse_in_the_stack_s_folder(
    tmp_path: Path,
) -> None:
    found = engine_properties(config(tmp_path, Lake()))
    assert found["catalog-impl"] == "org.apache.iceberg.jdbc.JdbcCatalog"
    assert found["warehouse"] == (tmp_path / "demo" / "warehouse").as_uri()
    assert "io-impl" not in found
    assert io_properties(config(tmp_path, Lake())) == {}


def test_one_setting_makes_it_a_rest_catalog(tmp_path: Path) -> None:
    found = engine_properties(config(tmp_path, Lake(rest_catalog="http://catalog:8181")))
    assert found["catalog-type"] == "rest"
    assert found["uri"] == "http://catalog:8181"
    assert not [name for name in found if name.startswith("jdbc.") or name == "catalog-impl"]


def test_one_setting_puts_the_warehouse_into_a_bucket(tmp_path: Path) -> None:
    settings = config(tmp_path, Lake(warehouse="s3://lake/tables", s3_endpoint="http://s3:9000"))
    found = engine_properties(settings)
    assert found["warehouse"] == settings.warehouse == "s3://lake/tables"
    assert found["io-impl"] == "org.apache.iceberg.io.ResolvingFileIO"
    assert (found["s3.endpoint"], found["s3.path-style-access"]) == ("http://s3:9000", "true")
    assert io_properties(settings) == {"s3.endpoint": "http://s3:9000"}


def test_the_archive_alone_may_be_in_a_bucket(tmp_path: Path) -> None:
    found = engine_properties(config(tmp_path, Lake(archive="s3://cold/readings")))
    assert found["warehouse"].startswith("file:")
    assert found["io-impl"] == "org.apache.iceberg.io.ResolvingFileIO"


def test_pyiceberg_is_given_the_same_warehouse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: dict[str, str] = {}

    def remember(_: object, name: str, **properties: str) -> None:
        told.update(properties, name=name)

    monkeypatch.setattr(sql.SqlCatalog, "__init__", remember)
    load_lake(config(tmp_path, Lake(warehouse="s3://lake/tables", s3_endpoint="http://s3:9000")))
    assert (told["name"], told["warehouse"], told["s3.endpoint"]) == (
        "lake",
        "s3://lake/tables",
        "http://s3:9000",
    )
