"""Writes numbers to the lake and breaks once (`python -m tests.flink.lake_writer FOLDER [SAVEPOINT]`).

A process of its own, like the keeper's: Flink counts operators on within one JVM, and their uids with them.
"""

import json
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
from pyflink.common import JobClient
from pyflink.java_gateway import get_gateway
from pyflink.table import DataTypes
from pyflink.table.udf import udf
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.exceptions import NoSuchTableError
from pyiceberg.table import StaticTable

from jobs.runtime.plan import launch
from tests.flink.local_stream import local_environment

ROWS = 3_000
FAILS_AT = 700
PATIENCE_S = 120
NUMBERS = f"""
CREATE TEMPORARY TABLE numbers (n BIGINT) WITH (
  'connector' = 'datagen', 'rows-per-second' = '300',
  'fields.n.kind' = 'sequence', 'fields.n.start' = '1', 'fields.n.end' = '{ROWS}')
"""


def start(folder: Path, restore_from: str) -> JobClient:
    """Start the job, from a savepoint unless that is empty."""
    recovery = {"execution.state-recovery.path": restore_from} if restore_from else {}
    restarts = {"restart-strategy.type": "fixed-delay", "restart-strategy.fixed-delay.attempts": "3"}
    tables = local_environment(folder, recovery | restarts)
    lake = _options(folder) or {"catalog-type": "hadoop", "warehouse": (folder / "lake").as_uri()}
    options = ", ".join(f"'{name}' = '{value}'" for name, value in lake.items())
    tables.execute_sql(f"CREATE CATALOG lake WITH ('type' = 'iceberg', {options})")
    tables.execute_sql("CREATE DATABASE IF NOT EXISTS lake.iot")
    tables.execute_sql("CREATE TABLE IF NOT EXISTS lake.iot.numbers (n BIGINT)")
    tables.execute_sql(NUMBERS)
    broken = str(folder / "broken")

    def fragile(n: int) -> int:
        if n == FAILS_AT and not Path(broken).exists():
            Path(broken).touch()
            raise RuntimeError("broken once")
        return n

    tables.create_temporary_system_function("fragile", udf(fragile, result_type=DataTypes.BIGINT()))
    statements = tables.create_statement_set()
    statements.add_insert_sql("INSERT INTO lake.iot.numbers SELECT fragile(n) FROM numbers")
    return launch(tables, statements, "numbers")


def _options(folder: Path) -> dict[str, str]:
    """Return the catalog that a test laid down in `catalog.json`, nothing when it laid none."""
    file = folder / "catalog.json"
    found: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}
    return found


def stop_behind_the_failure(job: JobClient, folder: Path) -> str:
    """Stop with a savepoint once rows behind the failure are committed; return its path."""
    deadline = time.monotonic() + PATIENCE_S
    while max(stored(folder), default=0) <= FAILS_AT and time.monotonic() < deadline:
        time.sleep(0.2)
    # PyFlink's own call leaves out the format, which Flink has asked for since 1.15.
    kind = get_gateway().jvm.org.apache.flink.core.execution.SavepointFormatType.CANONICAL
    return str(job._j_job_client.stopWithSavepoint(False, (folder / "savepoints").as_uri(), kind).get())


def stored(folder: Path) -> list[int]:
    """Return what the newest snapshot of the table holds, in order."""
    if _options(folder):
        return _stored_by_catalog(_options(folder))
    metadata = folder / "lake" / "iot" / "numbers" / "metadata"
    version = (metadata / "version-hint.text").read_text().strip()
    table = StaticTable.from_metadata((metadata / f"v{version}.metadata.json").as_uri())
    files = (task.file.file_path.removeprefix("file:") for task in table.scan().plan_files())
    return sorted(n for path in files for n in pq.read_table(path)["n"].to_pylist())


def _stored_by_catalog(options: dict[str, str]) -> list[int]:
    address = options["uri"].removeprefix("jdbc:postgresql://")
    uri = f"postgresql+psycopg://{options['jdbc.user']}:{options['jdbc.password']}@{address}"
    lake = SqlCatalog("lake", uri=uri, warehouse=options["warehouse"], schema_version="v1")
    try:
        rows = lake.load_table("iot.numbers").scan().to_arrow()["n"].to_pylist()
    except NoSuchTableError:
        rows = []
    finally:
        lake.close()
    return sorted(rows)


def main(place: str, restore_from: str = "") -> None:
    """Run up to the cut, or from the cut to the end."""
    job = start(Path(place), restore_from)
    if restore_from:
        job.get_job_execution_result().result()
    else:
        sys.stdout.write(stop_behind_the_failure(job, Path(place)) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
