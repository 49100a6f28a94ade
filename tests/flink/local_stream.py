"""The job files, word for word, on a bounded log: files stand in for Kafka, the lake and Redis."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import pandas as pd
from pyflink.common import Configuration
from pyflink.table import DataTypes, StreamTableEnvironment
from pyflink.table.udf import udf
from pyiceberg.schema import Schema
from pyiceberg.types import (
    BinaryType,
    BooleanType,
    DoubleType,
    IcebergType,
    IntegerType,
    LongType,
    MapType,
    StringType,
    StructType,
    TimestamptzType,
)

from catalog.ddl import read_table
from jobs.runtime import environment
from jobs.runtime.connectors import _SQL
from jobs.runtime.discovery import Job
from jobs.runtime.udf_classify import FUNCTION as CLASSIFY
from jobs.runtime.udf_gather import FUNCTION as GATHER
from jobs.runtime.udf_gather_judged import FUNCTION as GATHER_JUDGED
from millrace.contracts import SCHEMAS

OUT_OF_ORDERNESS = "0 00:00:10.000"
WRITERS = ("write_latest", "write_panes", "write_presence")
TABLES = SCHEMAS / "tables"
_TYPES: dict[type[IcebergType], str] = {
    StringType: "STRING",
    IntegerType: "INT",
    LongType: "BIGINT",
    DoubleType: "DOUBLE",
    BooleanType: "BOOLEAN",
    BinaryType: "BYTES",
    TimestamptzType: "TIMESTAMP_LTZ(6)",
}
# One row a bundle: the watermark moves between any two readings, as it does between bundles on a cluster.
_SETTINGS = {
    "execution.target": "local",
    "execution.attached": "true",
    "parallelism.default": "1",
    "pipeline.auto-watermark-interval": "0 ms",
    "execution.checkpointing.interval": "1 s",
    "state.backend.type": "hashmap",
    "restart-strategy.type": "disable",
    "python.fn-execution.bundle.size": "1",
    "python.fn-execution.arrow.batch.size": "1",
    "python.executable": sys.executable,
    "python.client.executable": sys.executable,
}
Row = dict[str, Any]


def local_environment(folder: Path, more: dict[str, str] | None = None) -> StreamTableEnvironment:
    """Open the environment of the jobs, only local, small and bounded; `more` wins."""
    configuration = Configuration()
    checkpoints = {"execution.checkpointing.dir": (folder / "checkpoints").as_uri()}
    for name, value in (environment._FIXED | _SETTINGS | checkpoints | (more or {})).items():
        configuration.set_string(name, value)
    return environment.table_environment(configuration)


def source_of(name: str, log: Path) -> str:
    """Return a source with its columns and watermark as declared, read from a JSON file."""
    return _laid_in_file(name, log)[:-1] + ", 'json.timestamp-format.standard' = 'ISO-8601')"


def _laid_in_file(name: str, place: Path) -> str:
    declared = (_SQL / f"{name}.sql").read_text().format(
        out_of_orderness=OUT_OF_ORDERNESS, bootstrap="", idle_partition_ms=0
    )  # fmt: skip
    columns, found, _ = re.sub(r" METADATA( FROM '\w+')? VIRTUAL", "", declared).partition(") WITH (")
    assert found
    return f"{columns}) WITH ({_json(place)})"


def columns_of(table: Path) -> str:
    """Return the columns of a table file in Flink's words, needs included."""
    return columns_in(read_table(table).schema)


def columns_in(schema: Schema) -> str:
    """Return columns in Flink's words, needs included."""
    needs = (f"`{f.name}` {_type(f.field_type)}{' NOT NULL' if f.required else ''}" for f in schema.fields)
    return ", ".join(needs)


def _type(kind: IcebergType) -> str:
    if isinstance(kind, MapType):
        return f"MAP<{_type(kind.key_type)}, {_type(kind.value_type)}>"
    if isinstance(kind, StructType):
        return f"ROW<{', '.join(f'{f.name} {_type(f.field_type)}' for f in kind.fields)}>"
    return _TYPES[type(kind)]


def declare_files(tables: StreamTableEnvironment, folder: Path, job: Job, source: str) -> None:
    """Declare a job's source, sinks and functions; the writing functions write down what they were given."""
    tables.execute_sql(source_of(source, folder / "log.json"))
    tables.execute_sql(f"CREATE TEMPORARY TABLE written (done STRING) WITH ({_json(folder / 'written')})")
    tables.execute_sql("CREATE CATALOG lake WITH ('type' = 'generic_in_memory', 'default-database' = 'iot')")
    for name in sorted({name for file in job.inserts for name in file.header.writes}):
        _declare_sink(tables, folder, name)
    tables.create_temporary_system_function("classify", CLASSIFY)
    tables.create_temporary_system_function("gather", GATHER)
    tables.create_temporary_system_function("gather_judged", GATHER_JUDGED)
    for name in WRITERS:
        tables.create_temporary_system_function(name, _recorder(name))


def _declare_sink(tables: StreamTableEnvironment, folder: Path, name: str) -> None:
    place, _, table = name.partition(".")
    if place == "iot":
        columns = columns_of(TABLES / f"{table}.sql")
        tables.execute_sql(f"CREATE TABLE lake.iot.{table} ({columns}) WITH ({_json(folder / table)})")
    elif not table:
        tables.execute_sql(_laid_in_file(name.replace("-", "_"), folder / name))


def _json(folder: Path) -> str:
    return f"'connector' = 'filesystem', 'path' = '{folder.as_uri()}', 'format' = 'json'"


def _recorder(name: str) -> Any:
    def record(*columns: "pd.Series[Any]") -> "pd.Series[str]":
        rows = zip(*(column.tolist() for column in columns), strict=True)
        return pd.Series([json.dumps([name, *row], default=str) for row in rows])

    return udf(record, result_type=DataTypes.STRING(), func_type="pandas")


def rows_of(folder: Path) -> list[Row]:
    """Return what a sink wrote, in the order of its file."""
    return [json.loads(line) for path in sorted(folder.glob("part-*")) for line in path.open()]
