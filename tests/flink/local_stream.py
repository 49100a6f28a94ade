"""The job files, word for word, on a bounded log: files stand in for Kafka, the lake and Redis."""

import json
import re
import sys
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any

import pandas as pd
from pyflink.common import Configuration
from pyflink.table import DataTypes, StatementSet, TableEnvironment
from pyflink.table.udf import udf
from pyiceberg.types import (
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

from catalog.ddl import read_table, table_files
from jobs.runtime import environment
from jobs.runtime.connectors import _SQL
from jobs.runtime.discovery import Job
from jobs.runtime.udf_classify import FUNCTION as CLASSIFY

OUT_OF_ORDERNESS = "0 00:00:10.000"
WRITERS = ("write_latest", "write_panes")
_TYPES: dict[type[IcebergType], str] = {
    StringType: "STRING",
    IntegerType: "INT",
    LongType: "BIGINT",
    DoubleType: "DOUBLE",
    BooleanType: "BOOLEAN",
    TimestamptzType: "TIMESTAMP_LTZ(6)",
}
# One row a bundle: the watermark moves between any two readings, as it does between bundles on a cluster.
_SETTINGS = {
    "execution.target": "local",
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


def local_environment(folder: Path) -> TableEnvironment:
    """Open the environment of the jobs, only local, small and bounded."""
    configuration = Configuration()
    checkpoints = {"execution.checkpointing.dir": (folder / "checkpoints").as_uri()}
    for name, value in (environment._FIXED | _SETTINGS | checkpoints).items():
        configuration.set_string(name, value)
    return environment.table_environment(configuration)


def telemetry_of(log: Path) -> str:
    """Return the telemetry table with its columns and watermark as declared, read from a JSON file."""
    declared = (_SQL / "telemetry.sql").read_text().format(
        out_of_orderness=OUT_OF_ORDERNESS, bootstrap="", idle_partition_ms=0
    )  # fmt: skip
    columns, found, _ = re.sub(r" METADATA FROM '\w+' VIRTUAL", "", declared).partition(") WITH (")
    assert found
    options = f"'connector' = 'filesystem', 'path' = '{log.as_uri()}', 'format' = 'json'"
    return f"{columns}) WITH ({options}, 'json.timestamp-format.standard' = 'ISO-8601')"


def columns_of(table: Path) -> str:
    """Return the columns of a table file in Flink's words, needs included."""
    fields = read_table(table).schema.fields
    needs = (f"`{f.name}` {_type(f.field_type)}{' NOT NULL' if f.required else ''}" for f in fields)
    return ", ".join(needs)


def _type(kind: IcebergType) -> str:
    if isinstance(kind, MapType):
        return f"MAP<{_type(kind.key_type)}, {_type(kind.value_type)}>"
    if isinstance(kind, StructType):
        return f"ROW<{', '.join(f'{f.name} {_type(f.field_type)}' for f in kind.fields)}>"
    return _TYPES[type(kind)]


def declare_files(tables: TableEnvironment, folder: Path) -> None:
    """Declare source, sinks and functions; the writing functions write down what they were given."""
    tables.execute_sql(telemetry_of(folder / "log.json"))
    tables.execute_sql(f"CREATE TEMPORARY TABLE written (done STRING) WITH ({_json(folder / 'written')})")
    tables.execute_sql("CREATE CATALOG lake WITH ('type' = 'generic_in_memory', 'default-database' = 'iot')")
    for path in table_files():
        sink = _json(folder / path.stem)
        tables.execute_sql(f"CREATE TABLE lake.iot.{path.stem} ({columns_of(path)}) WITH ({sink})")
    tables.create_temporary_system_function("classify", CLASSIFY)
    for name in WRITERS:
        tables.create_temporary_system_function(name, _recorder(name))


def _json(folder: Path) -> str:
    return f"'connector' = 'filesystem', 'path' = '{folder.as_uri()}', 'format' = 'json'"


def _recorder(name: str) -> Any:
    def record(*columns: "pd.Series[Any]") -> "pd.Series[str]":
        rows = zip(*(column.tolist() for column in columns), strict=True)
        return pd.Series([json.dumps([name, *row], default=str) for row in rows])

    return udf(record, result_type=DataTypes.STRING(), func_type="pandas")


def plan(tables: TableEnvironment, job: Job, take: Callable[[str], Any] = lambda _: None) -> StatementSet:
    """Declare the views and gather the INSERTs of a job, showing each to `take`."""
    for view in job.views:
        tables.create_temporary_view(view.name, tables.sql_query(view.statements[0]))
    statements = tables.create_statement_set()
    for statement in chain.from_iterable(file.statements for file in job.inserts):
        take(statement)
        statements.add_insert_sql(statement)
    return statements


def rows_of(folder: Path) -> list[Row]:
    """Return what a sink wrote, in the order of its file."""
    return [json.loads(line) for path in sorted(folder.glob("part-*")) for line in path.open()]
