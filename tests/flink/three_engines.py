"""Flink, Spark and PyIceberg at one catalog: each writes rows to tables and says what it finds in them."""

import json
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import pyarrow as pa
from pyflink.table import StreamTableEnvironment
from pyiceberg.catalog import Catalog
from pyiceberg.schema import Schema
from pyiceberg.types import IcebergType, MapType, StructType, TimestamptzType
from pyspark import SparkContext
from pyspark.sql import SparkSession

from catalog.lake import engine_properties
from catalog.spark_lake import spark_session
from millrace.settings import Settings
from tests.flink.local_stream import Row, columns_in, local_environment, rows_of

# Values in the order of the table's columns, in one spelling for all engines.
Plain = tuple[Any, ...]
_BATCH = {
    "execution.runtime-mode": "BATCH",
    # What fetches results for a test has no uid.
    "pipeline.auto-generate-uids": "true",
}


class Found(NamedTuple):
    """What an engine says of a table: how many rows it counts, and the rows in order."""

    counted: int
    rows: list[Plain]


class Engine(Protocol):
    """What each of the three does; tables go by their name in namespace `iot`."""

    def write(self, tables: Iterable[str], rows: list[Row]) -> None:
        """Append rows to each of some tables; times are epoch microseconds, maps and structs dictionaries."""

    def read(self, tables: Iterable[str]) -> dict[str, Found]:
        """Return what it finds in some tables."""


def schema_of(lake: Catalog, table: str) -> Schema:
    """Return the columns a table has now."""
    return lake.load_table(("iot", table)).schema()


def found(counted: int, schema: Schema, rows: Iterable[Iterable[Any]]) -> Found:
    """Return a count and rows in one order and spelling."""
    kinds = [field.field_type for field in schema.fields]
    plain = (tuple(_plain(*pair) for pair in zip(kinds, row, strict=True)) for row in rows)
    return Found(counted, sorted(plain, key=str))


def _plain(kind: IcebergType, value: Any) -> Any:
    if value is None:
        return None
    if isinstance(kind, TimestamptzType):
        return _microseconds(value)
    if isinstance(kind, MapType):
        return tuple(sorted(dict(value).items()))
    if isinstance(kind, StructType):
        return tuple(value.values() if isinstance(value, dict) else value)
    return value


def _microseconds(value: int | str | datetime) -> int:
    if isinstance(value, int):
        return value
    moment = datetime.fromisoformat(value).replace(tzinfo=UTC) if isinstance(value, str) else value
    assert moment.tzinfo is not None
    return int(moment.replace(microsecond=0).timestamp()) * 1_000_000 + moment.microsecond


def _moment(time_us: int) -> datetime:
    return datetime.fromtimestamp(time_us // 1_000_000, UTC).replace(microsecond=time_us % 1_000_000)


def _is_time(kind: IcebergType) -> bool:
    return isinstance(kind, TimestamptzType)


def _by_table(counts: dict[str, int], schemas: dict[str, Schema], rows: list[Row]) -> dict[str, Found]:
    """Lay apart rows of several tables, which say in `own` whose they are."""
    return {
        name: found(
            counts[name],
            schema,
            ([row[field.name] for field in schema.fields] for row in rows if row["own"] == name),
        )
        for name, schema in schemas.items()
    }


class PyIceberg:
    """The catalog as the API and maintenance use it."""

    def __init__(self, lake: Catalog) -> None:
        self._lake = lake

    def write(self, tables: Iterable[str], rows: list[Row]) -> None:
        """Append rows, one commit a table."""
        for name in tables:
            table = self._lake.load_table(("iot", name))
            maps = [f.name for f in table.schema().fields if isinstance(f.field_type, MapType)]
            given = [row | {key: row[key] and list(row[key].items()) for key in maps} for row in rows]
            table.append(pa.Table.from_pylist(given, schema=table.schema().as_arrow()))

    def read(self, tables: Iterable[str]) -> dict[str, Found]:
        """Return what a scan counts and reads."""
        return {name: self._read(name) for name in tables}

    def _read(self, name: str) -> Found:
        table = self._lake.load_table(("iot", name))
        rows = (row.values() for row in table.scan().to_arrow().to_pylist())
        return found(table.scan().count(), table.schema(), rows)


class Spark:
    """The product's own session."""

    def __init__(self, settings: Settings, lake: Catalog) -> None:
        self.session: SparkSession = spark_session(settings)
        self._lake = lake

    def write(self, tables: Iterable[str], rows: list[Row]) -> None:
        """Append rows, one commit a table."""
        for name in tables:
            fields = schema_of(self._lake, name).fields
            given = [tuple(_for_spark(f.field_type, row.get(f.name)) for f in fields) for row in rows]
            frame = self.session.createDataFrame(given, self.session.table(f"iot.{name}").schema)
            frame.writeTo(f"iot.{name}").append()

    def read(self, tables: Iterable[str]) -> dict[str, Found]:
        """Return what two queries find: one that counts, one that reads."""
        names = list(tables)
        schemas = {name: schema_of(self._lake, name) for name in names}
        counts = {row["own"]: row["n"] for row in self._ask(names, "COUNT(*) AS n")}
        rows = self._ask(names, ", ".join(field.name for field in schemas[names[0]].fields))
        return _by_table(counts, schemas, rows)

    def _ask(self, names: list[str], columns: str) -> list[Row]:
        queries = (f"SELECT '{name}' AS own, {columns} FROM iot.{name}" for name in names)
        rows: list[Row] = self.session.sql(" UNION ALL ".join(queries)).toArrow().to_pylist()
        return rows

    def close(self) -> None:
        """End the session and its JVM: other tests want the memory."""
        self.session.stop()
        gateway = SparkContext._gateway
        assert gateway is not None
        gateway.shutdown()
        SparkContext._gateway = SparkContext._jvm = None
        with suppress(BrokenPipeError):
            gateway.proc.stdin.close()
        gateway.proc.wait(60)


def _for_spark(kind: IcebergType, value: Any) -> Any:
    if value is not None and _is_time(kind):
        return _moment(value)
    return tuple(value.values()) if value and isinstance(kind, StructType) else value


class Flink:
    """Bounded jobs on a cluster inside the test; all else is set as for the stream."""

    def __init__(self, settings: Settings, lake: Catalog, folder: Path) -> None:
        self.tables: StreamTableEnvironment = local_environment(folder, _BATCH)
        self._lake, self._folder, self._declared = lake, folder, 0
        options = engine_properties(settings) | {"type": "iceberg", "cache-enabled": "false"}
        self.tables.execute_sql(f"CREATE CATALOG lake WITH ({_options(options)})")

    def create(self, name: str, schema: Schema, properties: dict[str, str]) -> None:
        """Make a table; for partitions by a function of a column Flink has no words."""
        self.tables.execute_sql(
            f"CREATE TABLE lake.iot.{name} ({columns_in(schema)}) WITH ({_options(properties)})"
        )

    def write(self, tables: Iterable[str], rows: list[Row]) -> None:
        """Append rows to all tables in one job."""
        statements = self.tables.create_statement_set()
        for name in tables:
            given = self._lay(schema_of(self._lake, name), rows)
            statements.add_insert_sql(f"INSERT INTO lake.iot.{name} SELECT * FROM {given}")
        statements.execute().wait()

    def _lay(self, schema: Schema, rows: list[Row]) -> str:
        """Lay rows into a file and return the name of a table that reads it."""
        timed = [field.name for field in schema.fields if _is_time(field.field_type)]
        laid = (row | {name: f"{_moment(row[name]):%Y-%m-%dT%H:%M:%S.%fZ}" for name in timed} for row in rows)
        name, file = self._declare(columns_in(schema))
        file.write_text("".join(f"{json.dumps(row)}\n" for row in laid))
        return name

    def _declare(self, columns: str) -> tuple[str, Path]:
        self._declared += 1
        name = f"file_{self._declared}"
        options = {
            "connector": "filesystem",
            "path": (self._folder / name).as_uri(),
            "format": "json",
            "json.timestamp-format.standard": "ISO-8601",
        }
        self.tables.execute_sql(f"CREATE TEMPORARY TABLE {name} ({columns}) WITH ({_options(options)})")
        return name, self._folder / name

    def read(self, tables: Iterable[str]) -> dict[str, Found]:
        """Return what two jobs find: one that counts, one that reads."""
        names = list(tables)
        schemas = {name: schema_of(self._lake, name) for name in names}
        counts, rows = self._count(names), self._read(names, schemas[names[0]])
        return _by_table(counts, schemas, rows)

    def _count(self, names: list[str]) -> dict[str, int]:
        query = " UNION ALL ".join(f"SELECT '{name}', COUNT(*) FROM lake.iot.{name}" for name in names)
        with self.tables.execute_sql(query).collect() as counted:
            return {row[0]: row[1] for row in counted}

    def _read(self, names: list[str], schema: Schema) -> list[Row]:
        """Let Flink write rows to a file: PyFlink cannot fetch a row in a row in which anything is null."""
        columns = ", ".join(f"`{field.name}`" for field in schema.fields)
        queries = (f"SELECT '{name}', {columns} FROM lake.iot.{name}" for name in names)
        name, folder = self._declare(f"own STRING, {columns_in(schema)}")
        self.tables.execute_sql(f"INSERT INTO {name} {' UNION ALL '.join(queries)}").wait()
        return rows_of(folder)


def _options(options: dict[str, str]) -> str:
    return ", ".join(f"'{name}' = '{value}'" for name, value in options.items())
