"""Flink, Spark and PyIceberg work on one set of tables, whichever of them made a table.

Spark is the first at an empty PostgreSQL here, so Java makes the catalog and PyIceberg finds it; in a stack
PyIceberg makes it, and `test_lake_maintained.py` goes that way.
"""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import pytest
from pyiceberg.catalog import Catalog
from pyiceberg.schema import Schema

from catalog import tables
from catalog.ddl import TableDefinition, read_table
from catalog.evolution import evolve
from catalog.forgetting.lake_store import forget_in_lake
from catalog.forgetting.owner import owner_of
from catalog.lake import load_lake
from catalog.maintenance.compaction import compact
from catalog.maintenance.expiry import Keeping, expire
from catalog.maintenance.live_files import live_files
from catalog.maintenance.plan import Policy
from catalog.maintenance.reach import Reach
from catalog.tables import apply_tables
from millrace.clock import from_iso, now_ms
from millrace.contracts import SCHEMAS
from millrace.errors import MillraceError
from millrace.secrets import load_secrets
from millrace.settings import Settings
from tests.flink.local_stream import Row
from tests.flink.three_engines import Engine, Flink, Found, PyIceberg, Spark, found, schema_of
from tests.integration.own_services import own_services

pytestmark = [pytest.mark.flink, pytest.mark.lakehouse, pytest.mark.timeout(300)]

# By whom each is made; the stack's own is PyIceberg's.
MADE_BY = {"readings": "pyiceberg", "readings_of_spark": "spark", "readings_of_flink": "flink"}
START_US = from_iso("2026-01-31T23:59:58Z") * 1_000
SECOND_US = 1_000_000
JOIN_ALL = Policy(fan=2, quiet_ms=0)
KEEP_NOTHING = Keeping(0, 0, 0)
NEW_COLUMN = "  firmware STRING COMMENT 'version the device said it runs',\n  received_at"


class World(NamedTuple):
    """One catalog, the engines at it, the files that say what its tables are, and what they must hold."""

    lake: Catalog
    flink: Flink
    spark: Spark
    pyiceberg: PyIceberg
    files: dict[str, Path]
    expected: dict[str, list[Row]]
    # What was left to do when Spark and Flink had made theirs.
    changes: list[str]

    @property
    def engines(self) -> dict[str, Engine]:
        return {"pyiceberg": self.pyiceberg, "spark": self.spark, "flink": self.flink}

    def wanted(self, name: str) -> TableDefinition:
        return read_table(self.files[name])


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory, flink: None) -> Iterator[Settings]:
    with own_services(tmp_path_factory.mktemp("engines"), "engines", "postgres") as started:
        yield started


@pytest.fixture(scope="module")
def world(config: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("files")
    files = {name: _file(folder, name) for name in MADE_BY}
    forgotten = SCHEMAS / "tables" / "forgotten.sql"
    with (
        pytest.MonkeyPatch.context() as patch,
        closing(load_lake(config)) as lake,
        closing(_spark(config, lake)) as spark,
    ):
        patch.setattr(tables, "table_files", lambda: [*files.values(), forgotten])
        flink = Flink(config, lake, folder)
        spark.session.sql("CREATE NAMESPACE iot")
        spark.session.sql(files["readings_of_spark"].read_text())
        own = read_table(files["readings_of_flink"])
        flink.create("readings_of_flink", own.schema, own.properties)
        expected: dict[str, list[Row]] = {name: [] for name in MADE_BY}
        yield World(lake, flink, spark, PyIceberg(lake), files, expected, apply_tables(lake))


def _spark(config: Settings, lake: Catalog) -> Spark:
    # It lives for a minute: what the optimizing compiler makes of it comes too late to be of use.
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")
        return Spark(config, lake)


def _file(folder: Path, name: str) -> Path:
    """Lay down the file of the readings under the name of another table."""
    text = (SCHEMAS / "tables" / "readings.sql").read_text()
    if MADE_BY[name] == "flink":
        text = text.replace("PARTITIONED BY (months(event_time))\n", "")
    file = folder / f"{name}.sql"
    file.write_text(text.replace("iot.readings", f"iot.{name}"))
    return file


def reading(device: str, at_s: float, offset: int, **more: Any) -> Row:
    at_us = START_US + round(at_s * SECOND_US)
    return {
        "tenant": "demo",
        "device_id": device,
        "event_id": f"event-{offset}",
        "event_time": at_us,
        "metrics": {"temperature_c": 20.25 + offset, "humidity_pct": 40.5},
        "location": {"lat": 52.5, "lon": 13.4, "alt_m": None} if offset % 2 else None,
        "attributes": {"fw": "1.2"} if offset % 3 else None,
        "received_at": at_us + 200_001,
        "source": "mqtt",
        "kafka_partition": 0,
        "kafka_offset": offset,
        "mark": "on_time",
    } | more


def disorder(first: int) -> list[Row]:
    """Return readings over the end of a month: one out of order, one twice, one late."""
    return [
        reading("pump-1", 0, first),
        reading("pump-2", 3, first + 1),
        reading("pump-2", 2, first + 2),
        reading("pump-1", 4, first + 3),
        reading("pump-1", 4, first + 4, event_id=f"event-{first + 3}", mark="duplicate"),
        reading("pump-3", -3_600, first + 5, mark="late"),
    ]


def agree(world: World, stage: str) -> None:
    """Assert that each engine counts and reads in each table what was written and not taken out."""
    for engine, it in world.engines.items():
        for name, told in it.read(MADE_BY).items():
            assert told == _expected(world, name), f"{engine} in {name} {stage}"


def _expected(world: World, name: str) -> Found:
    schema = schema_of(world.lake, name)
    rows = world.expected[name]
    return found(len(rows), schema, ([row.get(f.name) for f in schema.fields] for row in rows))


def write(world: World, engine: str, rows: list[Row]) -> None:
    world.engines[engine].write(MADE_BY, rows)
    for written in world.expected.values():
        written += rows


def maintain(world: World) -> dict[str, int]:
    """Join all files and let go what may go; return how many snapshots went, by table."""
    gone = {}
    for name in MADE_BY:
        table = world.lake.load_table(("iot", name))
        assert compact(table, JOIN_ALL, now_ms()).files_before > 1, name
        gone[name] = expire(table, KEEP_NOTHING, now_ms(), Reach()).snapshots
    return gone


def test_whoever_makes_a_table_it_becomes_what_its_file_says(world: World) -> None:
    flinks = world.wanted("readings_of_flink")
    assert world.changes == [
        "created iot.readings",
        "sorted iot.readings_of_spark anew",
        *(f"described iot.readings_of_flink.{field.name}" for field in flinks.schema.fields if field.doc),
        "sorted iot.readings_of_flink anew",
        "created iot.forgotten",
    ]
    assert apply_tables(world.lake) == []
    for name in MADE_BY:
        made, wanted = world.lake.load_table(("iot", name)), world.wanted(name)
        assert _columns(made.schema()) == _columns(wanted.schema), name
        assert made.spec().fields == wanted.partitions.fields, name
        assert [f.source_id for f in made.sort_order().fields] == [f.source_id for f in wanted.order.fields]
        assert made.metadata.format_version == 2


def _columns(schema: Schema) -> tuple[list[Any], list[int]]:
    """Return columns and all numbers; not whether values of a map may be null: Spark has no word for it."""
    columns = [(f.field_id, f.name, f.required, f.doc, str(f.field_type)) for f in schema.fields]
    return columns, sorted(schema._lazy_id_to_field)


def test_all_three_see_the_same_rows_at_every_stage_whoever_made_the_table(world: World) -> None:
    for number, engine in enumerate(world.engines):
        write(world, engine, disorder(number * 10))
        agree(world, f"after {engine} wrote")
    # All that came before Flink's commit: a committer finds the way back to its own.
    assert maintain(world) == dict.fromkeys(MADE_BY, 2)
    agree(world, "after compaction and expiry")
    _spark_deletes(world)
    agree(world, "after Spark deleted")
    assert all(one.is_clean for one in forget_in_lake(world.lake, owner_of("demo", "pump-2")))
    _without(world, lambda row: row["device_id"] == "pump-2")
    agree(world, "after a device was forgotten")
    _each_adds_a_column(world)
    agree(world, "after a column was added")
    for number, engine in enumerate(world.engines):
        write(world, engine, [row | {"firmware": engine} for row in disorder(100 + number * 10)])
    agree(world, "with rows of the new column")
    maintain(world)
    agree(world, "after compaction of both shapes")


def _spark_deletes(world: World) -> None:
    for name in MADE_BY:
        world.spark.session.sql(f"DELETE FROM iot.{name} WHERE mark = 'duplicate'")
        # Copy-on-write: our readers refuse files of deleted rows.
        assert not live_files(world.lake.load_table(("iot", name))).has_deletes
    _without(world, lambda row: row["mark"] == "duplicate")


def _without(world: World, leaves: Any) -> None:
    for name, rows in world.expected.items():
        world.expected[name] = [row for row in rows if not leaves(row)]


def _each_adds_a_column(world: World) -> None:
    """Let each engine add it to its own table, and find that nothing is left to be done."""
    for file in world.files.values():
        file.write_text(file.read_text().replace("  received_at", NEW_COLUMN, 1))
    comment = "COMMENT 'version the device said it runs'"
    world.spark.session.sql(
        f"ALTER TABLE iot.readings_of_spark ADD COLUMN firmware STRING {comment} AFTER attributes"
    )
    world.flink.tables.execute_sql("ALTER TABLE lake.iot.readings_of_flink ADD (firmware STRING)")
    assert apply_tables(world.lake) == [
        "added iot.readings.firmware",
        "described iot.readings_of_flink.firmware",
    ]
    assert apply_tables(world.lake) == []


def test_a_table_of_flink_s_has_no_month_partitions_and_cannot_gain_them(world: World) -> None:
    """Flink has no words for partitions by a function: tables of the stack are made before it starts."""
    table = world.lake.load_table(("iot", "readings_of_flink"))
    assert table.spec().is_unpartitioned()
    with pytest.raises(MillraceError, match="its partitioning differs"):
        evolve(table, read_table(SCHEMAS / "tables" / "readings.sql"))


def test_spark_tells_nobody_the_password_and_listens_to_nobody_else(world: World, config: Settings) -> None:
    password = load_secrets(config).postgres.get_secret_value()
    (jvm,) = [one for one in psutil.Process().children() if "SparkSubmit" in " ".join(one.cmdline())]
    assert password not in " ".join(jvm.cmdline())
    listening = [c.laddr.ip for c in jvm.net_connections("inet") if c.status == psutil.CONN_LISTEN]
    assert listening
    assert {ip.removeprefix("::ffff:") for ip in listening} <= {"127.0.0.1", "::1"}
    asked = world.spark.session.sql("SELECT CAST(TIMESTAMP '2026-07-01 12:00:00Z' AS STRING) AS at")
    assert asked.collect()[0].at == "2026-07-01 12:00:00"
