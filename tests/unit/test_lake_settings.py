"""Catalog and warehouse follow one setting each, for every engine."""

from pathlib import Path

import pytest
from pydantic import ValidationError
from pyiceberg.catalog import sql
from pyiceberg.exceptions import ServerError
from typer.testing import CliRunner

from api.problems import ProblemError
from api.queries.lake_access import lake_problems
from catalog.lake import engine_properties, load_lake
from millrace.bucket.access import properties
from millrace.bucket.jars import require_jars
from millrace.cli import build
from millrace.errors import MillraceError
from millrace.secrets import keep_secrets, load_secrets
from millrace.settings import Lake, Settings, settings

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
    assert properties(config(tmp_path, Lake())) == {}


def test_one_setting_makes_it_a_rest_catalog(tmp_path: Path) -> None:
    found = engine_properties(config(tmp_path, Lake(rest_catalog="http://catalog:8181")))
    assert found["catalog-type"] == "rest"
    assert found["uri"] == "http://catalog:8181"
    assert not [name for name in found if name.startswith("jdbc.") or name == "catalog-impl"]


def test_one_setting_puts_the_warehouse_into_a_bucket(tmp_path: Path) -> None:
    stack = config(tmp_path, Lake(warehouse="s3://lake/tables", s3_endpoint="http://s3:9000"))
    found = engine_properties(stack)
    assert found["warehouse"] == stack.warehouse == "s3://lake/tables"
    assert found["io-impl"] == "org.apache.iceberg.io.ResolvingFileIO"
    assert (found["s3.endpoint"], found["s3.path-style-access"]) == ("http://s3:9000", "true")
    assert properties(stack).items() <= found.items()


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


def test_a_rest_catalog_knows_where_its_tables_lie_unless_told_which_warehouse(tmp_path: Path) -> None:
    address = {"rest_catalog": "http://catalog:8181"}
    assert "warehouse" not in engine_properties(config(tmp_path, Lake.model_validate(address)))
    named = Lake.model_validate(address | {"warehouse": "plant"})
    assert engine_properties(config(tmp_path, named))["warehouse"] == "plant"


@pytest.mark.parametrize(
    "wrong",
    [
        {"warehouse": "s3a://lake"},
        {"warehouse": "/srv/lake"},
        {"archive": "cold"},
        {"archive": "s3://"},
        {"rest_catalog": "catalog:8181"},
        {"s3_endpoint": "s3:9000"},
    ],
)
def test_an_address_of_another_form_is_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        Lake.model_validate(wrong)


def test_a_server_that_is_not_aws_gets_a_region_and_aws_finds_its_own(tmp_path: Path) -> None:
    own = Lake(warehouse="s3://lake", s3_endpoint="http://s3:9000")
    assert properties(config(tmp_path, own))["client.region"] == "us-east-1"
    assert "client.region" not in properties(config(tmp_path, Lake(warehouse="s3://lake")))
    named = Lake(warehouse="s3://lake", s3_region="eu-central-1")
    assert properties(config(tmp_path, named))["client.region"] == "eu-central-1"


def test_keys_are_kept_with_the_secrets_and_reach_every_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MILLRACE_HOME", str(tmp_path))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "the-id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "the-secret")
    monkeypatch.delenv("ICEBERG_REST_TOKEN", raising=False)
    settings.cache_clear()
    stack = config(tmp_path, Lake(warehouse="s3://lake", rest_catalog="http://catalog:8181"))
    redis = load_secrets(stack).redis
    done = CliRunner().invoke(build(), ["keys"], input="the-token\n")
    settings.cache_clear()
    assert done.exit_code == 0, done.output
    assert not [word for word in ("the-secret", "the-token") if word in done.output]
    file = stack.folder / "secrets.json"
    assert "the-secret" in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600
    assert load_secrets(stack).redis == redis
    assert "the-secret" not in repr(load_secrets(stack))
    found = engine_properties(stack)
    assert (found["s3.access-key-id"], found["s3.secret-access-key"]) == ("the-id", "the-secret")
    assert found["token"] == "the-token"


def test_a_secret_of_no_known_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValidationError):
        keep_secrets(config(tmp_path, Lake()), {"s3_secret": "x"})


def test_without_jars_a_bucket_is_refused_with_the_mend(tmp_path: Path) -> None:
    require_jars(config(tmp_path, Lake()))
    stack = config(tmp_path, Lake(archive="s3://cold"))
    with pytest.raises(MillraceError, match="no jars to open a bucket") as caught:
        require_jars(stack)
    assert "make setup" in caught.value.mend
    (stack.jars / "s3").mkdir(parents=True)
    (stack.jars / "s3" / "s3-2.0.jar").touch()
    require_jars(stack)


def test_a_rest_catalog_that_fails_is_a_problem_of_the_store() -> None:
    with pytest.raises(ProblemError) as caught, lake_problems("readings"):
        raise ServerError("500")
    assert caught.value.status == 503
