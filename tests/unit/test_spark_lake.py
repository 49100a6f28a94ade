"""What Spark is told of the lake, and what of it others on the machine may see."""

from pathlib import Path

import pytest

from catalog.lake import engine_properties
from catalog.spark_lake import catalog_options, session_options
from millrace.errors import MillraceError
from millrace.secrets import load_secrets
from millrace.settings import Lake, Settings

pytestmark = pytest.mark.lakehouse


@pytest.fixture
def config(tmp_path: Path) -> Settings:
    (tmp_path / "jars" / "spark").mkdir(parents=True)
    for name in ("iceberg.jar", "driver.jar"):
        (tmp_path / "jars" / "spark" / name).touch()
    return Settings(home=tmp_path)


def test_the_catalog_is_told_as_flink_is_told_it(config: Settings) -> None:
    found = catalog_options(config)
    for name, value in engine_properties(config).items():
        assert found[f"spark.sql.catalog.lake.{name}"] == value
    assert found["spark.sql.catalog.lake"] == "org.apache.iceberg.spark.SparkCatalog"


def test_a_rest_catalog_is_named_in_spark_s_words(tmp_path: Path) -> None:
    found = catalog_options(Settings(home=tmp_path, lake=Lake(rest_catalog="http://catalog:8181")))
    assert found["spark.sql.catalog.lake.type"] == "rest"
    assert "spark.sql.catalog.lake.catalog-type" not in found


def test_what_becomes_an_argument_of_the_jvm_holds_no_password(config: Settings) -> None:
    password = load_secrets(config).postgres.get_secret_value()
    assert password in catalog_options(config).values()
    assert password not in " ".join(session_options(config).values())


def test_every_jar_is_on_the_class_path_those_for_buckets_too(config: Settings) -> None:
    (config.jars / "s3").mkdir()
    (config.jars / "s3" / "aws.jar").touch()
    names = ("spark/driver.jar", "spark/iceberg.jar", "s3/aws.jar")
    expected = ":".join(str(config.jars / name) for name in names)
    assert session_options(config)["spark.driver.extraClassPath"] == expected


def test_a_lake_in_a_bucket_asks_for_the_jars_that_open_it(config: Settings) -> None:
    with pytest.raises(MillraceError, match="no jars to open a bucket"):
        session_options(config.model_copy(update={"lake": Lake(warehouse="s3://lake/tables")}))


def test_without_jars_it_says_how_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(MillraceError, match="no jars") as raised:
        session_options(Settings(home=tmp_path))
    assert raised.value.mend == "Run `make setup`."
