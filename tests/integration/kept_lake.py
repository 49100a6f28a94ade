"""A real Iceberg catalog in a folder, written to in many small commits as the stream does, and maintained."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.table import Table

from catalog.ddl import read_table
from catalog.maintenance.passes import Maintainer
from catalog.maintenance.plan import Policy
from catalog.maintenance.report import Report
from millrace.clock import now_ms
from millrace.contracts import SCHEMAS

TABLES = ("readings", "iot_archive.readings", "forgotten", "ledger")
JOB, OPERATOR = "a" * 32, "sink-readings"
NOON_MS = 1_767_268_800_000
# Four files of a kind are joined; everything that is not of today is over at once.
QUICK = Policy(fan=4, quiet_ms=0)


class KeptLake:
    """The project's tables, and what was committed to `iot.readings`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.catalog = SqlCatalog(
            "lake",
            uri=f"sqlite:///{folder}/catalog.db",
            warehouse=(folder / "warehouse").as_uri(),
            schema_version="v1",
        )
        for name in TABLES:
            self._create(name)
        self.offset = 0
        self.checkpoint = 0

    def _create(self, name: str) -> None:
        """Make one table as its file says; all of them would take most of a test's time."""
        wanted = read_table(SCHEMAS / "tables" / f"{name}.sql")
        self.catalog.create_namespace_if_not_exists(wanted.name[0])
        self.catalog.create_table(
            wanted.name,
            wanted.schema,
            partition_spec=wanted.partitions,
            sort_order=wanted.order,
            properties=wanted.properties,
        )

    def table(self, name: str = "readings") -> Table:
        """Return a table as it is now."""
        return self.catalog.load_table(("iot", name))

    def commit(self, *rows: dict[str, Any], job: str = JOB) -> None:
        """Append readings as a checkpoint does: one commit that carries job, operator and checkpoint."""
        self.checkpoint += 1
        table = self.table()
        found = [self._reading(row) for row in rows]
        summary = {
            "flink.job-id": job,
            "flink.operator-id": OPERATOR,
            "flink.max-committed-checkpoint-id": str(self.checkpoint),
        }
        arrow = pa.Table.from_pylist(found, schema=table.schema().as_arrow())
        table.append(arrow, snapshot_properties=summary)

    def _reading(self, row: dict[str, Any]) -> dict[str, Any]:
        self.offset += 1
        at_us = row.get("at_ms", NOON_MS + self.offset * 1_000) * 1_000
        return {
            "tenant": "demo",
            "device_id": row.get("device", "pump"),
            "event_id": str(row.get("id", self.offset)),
            "event_time": at_us,
            "metrics": [("temperature_c", float(self.offset))],
            "received_at": at_us,
            "source": "mqtt",
            "kafka_partition": 0,
            "kafka_offset": self.offset - 1,
            "mark": row.get("mark", "on_time"),
        }

    def disorder(self, commits: int) -> None:
        """Commit four devices' readings with a late row, a duplicate and rows out of order among them."""
        for number in range(commits):
            at_ms = NOON_MS + number * 10_000
            rows = [{"device": f"pump-{3 - place}", "at_ms": at_ms - place} for place in range(4)]
            rows += [
                {"device": "pump-1", "at_ms": at_ms - 3_600_000, "mark": "late"},
                {"device": "pump-2", "at_ms": at_ms - 2, "id": f"twice-{number}"},
                {"device": "pump-2", "at_ms": at_ms - 2, "id": f"twice-{number}", "mark": "duplicate"},
            ]
            self.commit(*rows)

    def maintain(self, at_ms: int | None = None, policy: Policy = QUICK) -> Report:
        """Let a maintainer that remembers nothing make one pass."""
        maintainer = Maintainer(self.catalog, None, lambda: None, policy)
        return maintainer.run_pass(at_ms or now_ms(), ["iot.readings"])

    def files(self, name: str = "readings") -> list[str]:
        """Return the data files of the newest snapshot."""
        return sorted(task.file.file_path for task in self.table(name).scan().plan_files())

    def on_disk(self, name: str = "readings") -> set[str]:
        """Return all data files that lie in a table's folder."""
        place = self.folder / "warehouse" / "iot" / name / "data"
        return {f"file://{path}" for path in place.rglob("*.parquet")}

    def rows(self, name: str = "readings", snapshot_id: int | None = None) -> list[Any]:
        """Return all rows in order, read by DuckDB from the files that a snapshot names."""
        scan = self.table(name).scan(snapshot_id=snapshot_id)
        paths = [task.file.file_path.removeprefix("file://") for task in scan.plan_files()]
        if not paths:
            return []
        with duckdb.connect() as connection:
            return connection.execute(
                "SELECT * REPLACE (CAST(metrics AS VARCHAR) AS metrics)"
                " FROM read_parquet(?, union_by_name=true) ORDER BY kafka_partition, kafka_offset",
                [paths],
            ).fetchall()


@contextmanager
def kept_lake(folder: Path) -> Iterator[KeptLake]:
    """Open a lake of one's own and give its connections back at the end."""
    lake = KeptLake(folder)
    try:
        yield lake
    finally:
        lake.catalog.close()


def committed(table: Table, job: str = JOB, operator: str = OPERATOR) -> int:
    """Return what a Flink committer that starts again takes for committed: walks as its source does."""
    by_id = {snapshot.snapshot_id: snapshot for snapshot in table.metadata.snapshots}
    place = table.metadata.current_snapshot_id
    while place is not None and place in by_id:
        told = by_id[place].summary
        summary = told.additional_properties if told else {}
        mine = summary.get("flink.operator-id") in {None, operator}
        if summary.get("flink.job-id") == job and mine and "flink.max-committed-checkpoint-id" in summary:
            return int(summary["flink.max-committed-checkpoint-id"])
        place = by_id[place].parent_snapshot_id
    return -1
