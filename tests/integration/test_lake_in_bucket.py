"""A warehouse in buckets, its catalog in PostgreSQL or behind REST: each by one setting, on real servers."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from fastapi.testclient import TestClient
from pyiceberg.catalog import Catalog
from pyiceberg.table import Table
from redis import Redis

from api.app import create_app
from catalog import tables
from catalog.lake import load_lake
from catalog.maintenance.expiry import Keeping
from catalog.maintenance.orphans import remove_orphans
from catalog.maintenance.passes import Maintainer
from catalog.maintenance.reach import Reach
from catalog.tiering.terms import Days, Terms
from catalog.tiering.tierer import Tierer
from millrace.clock import now_ms
from millrace.doctor.finding import Finding
from millrace.doctor.lake import look
from millrace.secrets import keep_secrets, load_secrets
from millrace.settings import ROOT, Settings, settings
from tests.integration.bucket_writer import ROWS
from tests.integration.conftest import NOW_MS, Writer
from tests.integration.history_client import ask, asking, rows
from tests.integration.history_world import DAY_MS, FROM_MS, HOUR_MS, History, Reading, stored_row
from tests.integration.kept_lake import QUICK
from tests.integration.lake_servers import COLD, KEY_ID, SECRET, WARM, Lakes, lakes, variables, with_lake

pytestmark = [pytest.mark.integration, pytest.mark.lakehouse]

CATALOGS = ("jdbc", "rest")
NOTHING_KEPT = Keeping(0, 0, 0, 0)
_PLACE = "kafka_partition, kafka_offset"


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lakes]:
    with lakes(tmp_path_factory.mktemp("bucket"), "bucket") as made:
        for name in CATALOGS:
            make_tables(made.of(name))
        yield made


def make_tables(config: Settings) -> None:
    """Run the step of `up`, which knows nothing but its environment."""
    with pytest.MonkeyPatch.context() as patch:
        for name in set(os.environ) - set(variables(config)):
            patch.delenv(name)
        for name, value in variables(config).items():
            patch.setenv(name, value)
        settings.cache_clear()
        assert settings().lake == config.lake
        tables.main()
    settings.cache_clear()


@pytest.fixture(scope="module")
def world(found: Lakes) -> Iterator[History]:
    password = load_secrets(found.rest).redis.get_secret_value()
    with (
        Redis(port=found.rest.port("redis"), password=password) as client,
        closing(History(found.rest, load_lake(found.rest), Writer(client))) as made,
    ):
        yield made


@pytest.fixture(scope="module")
def flink_said(found: Lakes, world: History) -> str:
    """Let Flink write to both catalogs; return all it printed."""
    command = [sys.executable, "-m", "tests.integration.bucket_writer", "-", found.rest.lake.rest_catalog]
    done = subprocess.run(
        command, cwd=ROOT, env=variables(found.jdbc), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-3_000:]
    return done.stdout + done.stderr


@pytest.fixture(params=CATALOGS)
def lake(request: pytest.FixtureRequest, found: Lakes, world: History) -> Iterator[Catalog]:
    with closing(load_lake(found.of(request.param))) as opened:
        yield opened


def readings(lake: Catalog) -> Table:
    return lake.load_table(("iot", "readings"))


def archive(lake: Catalog) -> Table:
    return lake.load_table(("iot_archive", "readings"))


def stored(found: Lakes, table: Table) -> list[Any]:
    """Return a table's rows in order, read by DuckDB from the files under the S3 server."""
    paths = [str(found.file(task.file.file_path)) for task in table.scan().plan_files()]
    text = f"SELECT * REPLACE (CAST(metrics AS VARCHAR) AS metrics) FROM read_parquet(?) ORDER BY {_PLACE}"
    with duckdb.connect() as connection:
        return connection.execute(text, [paths]).fetchall()


def objects(found: Lakes, table: Table) -> set[str]:
    """Return the addresses of all objects below a table's location."""
    below = found.file(table.location())
    return {f"s3://{path.relative_to(found.buckets)}" for path in below.rglob("*") if path.is_file()}


def commit_some(lake: Catalog) -> None:
    """Commit readings of two devices in five commits, each with a late, a duplicate and a disordered row."""
    table = readings(lake)
    for number in range(5):
        at_ms = NOW_MS - 40 * DAY_MS + number * 10_000
        told = [
            ("old-1", f"o{number}", at_ms, "on_time"),
            ("old-1", f"o{number}", at_ms, "duplicate"),
            ("old-1", f"l{number}", at_ms - HOUR_MS, "late"),
            ("new-1", f"n{number}", at_ms - 5, "on_time"),
        ]
        some = [
            stored_row(Reading(device, event, time_ms, 1.0, None, mark, 3_000_000 + 10 * number + place))
            for place, (device, event, time_ms, mark) in enumerate(told)
        ]
        table.append(pa.Table.from_pylist(some, schema=table.schema().as_arrow()))


def maintain(lake: Catalog) -> None:
    Maintainer(lake, None, lambda: None, QUICK, NOTHING_KEPT).run_pass(now_ms(), ["iot.readings"])


@pytest.mark.parametrize("name", CATALOGS)
def test_tables_lie_where_the_settings_say_and_stay_as_they_are(found: Lakes, name: str) -> None:
    with closing(load_lake(found.of(name))) as lake:
        before = [readings(lake), archive(lake)]
        assert [one.location() for one in before] == [
            f"s3://{WARM}/{name}/iot/readings",
            f"s3://{COLD}/{name}/readings",
        ]
        assert all(found.file(one.metadata_location).is_file() for one in before)
        make_tables(found.of(name))
        again = [readings(lake), archive(lake)]
        assert [one.metadata_location for one in again] == [one.metadata_location for one in before]


def test_maintenance_joins_and_expires_and_no_row_changes(found: Lakes, lake: Catalog) -> None:
    commit_some(lake)
    table = readings(lake)
    before, files = stored(found, table), len(list(table.scan().plan_files()))
    was_there = objects(found, table)
    snapshots = {one.snapshot_id for one in table.metadata.snapshots}
    maintain(lake)
    table = readings(lake)
    assert stored(found, table) == before
    assert len(list(table.scan().plan_files())) < files - 3
    assert not snapshots & {one.snapshot_id for one in table.metadata.snapshots}
    gone = {path for path in was_there - objects(found, table) if path.endswith(".parquet")}
    assert len(gone) >= 5


def test_what_flink_writes_pyiceberg_reads(found: Lakes, lake: Catalog, flink_said: str) -> None:
    read = readings(lake).scan(row_filter="source = 'flink'").to_arrow().sort_by("kafka_offset").to_pylist()
    assert [(row["device_id"], row["event_id"], row["mark"], dict(row["metrics"])) for row in read] == [
        (one.device_id, one.event_id, one.mark, {"temperature_c": one.value}) for one in ROWS
    ]
    assert [round(row["event_time"].timestamp() * 1000) for row in read] == [one.at_ms for one in ROWS]
    on_disk = [row for row in stored(found, readings(lake)) if "flink" in row]
    assert [row[2] for row in on_disk] == [one.event_id for one in ROWS]


def test_history_is_answered_from_both_buckets(world: History, flink_said: str) -> None:
    assert_answers(world)


def assert_answers(world: History) -> None:
    with asking(world, NOW_MS) as web:
        for resolution, step_ms in (("30s", 30_000), ("1h", HOUR_MS), ("1d", DAY_MS)):
            found = ask(
                web, from_=FROM_MS, to=NOW_MS - 60_000, resolution=resolution, metric="x", limit=10_000
            )
            wanted = world.expected("pump-1", "x", found["from_ms"], found["to_ms"], step_ms)
            assert rows(found["series"]["x"]) == wanted
            assert found["tiers"] == (["cold"] if resolution == "30s" else []) + ["warm", "hot"]


def test_an_old_file_that_nobody_names_is_removed_and_nothing_else(found: Lakes, lake: Catalog) -> None:
    table = readings(lake)
    before, there = stored(found, table), objects(found, table)
    for name in ("lost", "young"):
        with table.io.new_output(f"{table.location()}/data/{name}.parquet").create() as file:
            file.write(b"not named by any snapshot")
    lost = found.file(f"{table.location()}/data/lost.parquet")
    long_ago_s = time.time() - 10 * DAY_MS / 1000
    os.utime(lost, (long_ago_s, long_ago_s))
    assert remove_orphans(table, Reach(), now_ms()).files == 1
    assert not lost.exists()
    assert objects(found, table) == there | {f"{table.location()}/data/young.parquet"}
    assert stored(found, table) == before


def test_old_readings_move_to_the_other_bucket(found: Lakes, lake: Catalog) -> None:
    before = stored(found, readings(lake)) + stored_archive(found, lake)
    done = Tierer(lake).run_pass(Terms({"demo/old-1": Days(10)}, Days()), NOW_MS)
    assert done.moved.rows == 15
    moved = [row for row in stored_archive(found, lake) if row[1] == "old-1"]
    assert len(moved) == 15
    assert not [row for row in stored(found, readings(lake)) if row[1] == "old-1"]
    # The bucket of the archive has a rule of its own; nothing of it may lie in the other.
    assert all(path.startswith(f"s3://{COLD}/") for path in objects(found, archive(lake)))
    after = stored(found, readings(lake)) + stored_archive(found, lake)
    assert sorted(map(repr, after)) == sorted(map(repr, before))


def stored_archive(found: Lakes, lake: Catalog) -> list[Any]:
    return stored(found, archive(lake)) if archive(lake).current_snapshot() else []


def test_history_is_the_same_after_maintenance_and_the_move(world: History) -> None:
    assert_answers(world)


def test_no_key_is_printed_or_written_but_to_the_secrets(found: Lakes, flink_said: str) -> None:
    assert SECRET not in flink_said
    assert load_secrets(found.rest).postgres.get_secret_value() not in flink_said
    told = {"secrets.json", "s3proxy.properties"}
    written = [path for path in found.rest.home.rglob("*") if path.is_file() and path.name not in told]
    assert len(written) > 100
    assert not [str(path) for path in written if SECRET.encode() in path.read_bytes()]


NOBODY = "http://127.0.0.1:9"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"warehouse": "s3://absent/lake"}, "there is no bucket `absent` (http"),
        ({"archive": "s3://absent"}, "there is no bucket `absent` (http"),
        ({"s3_endpoint": NOBODY}, f"no S3 server answers ({NOBODY}). Start it"),
        ({"rest_catalog": NOBODY}, f"no REST catalog answers ({NOBODY}). Start it"),
    ],
)
def test_up_and_doctor_say_in_one_sentence_what_is_wrong(
    found: Lakes, wrong: dict[str, str], said: str
) -> None:
    config = with_lake(found.jdbc, found.jdbc.lake.model_copy(update=wrong))
    assert one_sentence(config).startswith(said)
    assert [told(finding).startswith(said) for finding in look(config) if not finding.ok] == [True]


def one_sentence(config: Settings) -> str:
    with pytest.raises(SystemExit) as caught:
        make_tables(config)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def told(finding: Finding) -> str:
    return f"{finding.found}. {finding.mend}"


def test_a_wrong_key_is_said_to_be_one(found: Lakes, tmp_path: Path) -> None:
    config = found.jdbc.model_copy(update={"home": tmp_path})
    keep_secrets(config, {"s3_access_key_id": KEY_ID, "s3_secret_access_key": "guessed"})
    said = one_sentence(config)
    assert said.startswith(f"bucket `{WARM}` does not open with these keys")
    assert "millrace keys" in said


@pytest.mark.parametrize("name", CATALOGS)
def test_doctor_says_what_answers(found: Lakes, name: str) -> None:
    findings = look(found.of(name))
    assert all(finding.ok for finding in findings)
    assert [finding.name for finding in findings] == [
        "buckets",
        *(["REST catalog"] if name == "rest" else []),
    ]


def test_history_is_a_problem_while_the_catalog_is_away(found: Lakes) -> None:
    config = with_lake(found.rest, found.rest.lake.model_copy(update={"rest_catalog": NOBODY}))
    with TestClient(create_app(config), base_url="http://127.0.0.1", raise_server_exceptions=False) as web:
        reply = web.get("/data/pump-1", params={"from": FROM_MS, "to": FROM_MS + DAY_MS, "resolution": "raw"})
    assert (reply.status_code, reply.json()["type"]) == (503, "urn:millrace:problem:store-unavailable")
