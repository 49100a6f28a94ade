"""The recorded air-quality stations as `iot.readings` of a lake in a folder, and what rules must find."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple

import duckdb
import pyarrow as pa
from pyiceberg.catalog.sql import SqlCatalog

from catalog.tables import apply_tables
from ingest.replay.mapping import load_mapping
from ingest.replay.moments import time_reader
from ingest.replay.rows import Record, read_rows
from tests.oracle.alerts import Instance, expected_alerts
from tests.oracle.expected import Sent, expect

TENANT: Final = "demo"
DATASET: Final = "air-quality"
ROWS_A_FILE: Final = 50_000
HOUR_MS: Final = 3_600_000


class Case(NamedTuple):
    """A rule's condition, and the same for the oracle: the kind and variables of tests/oracle/alerts.sql."""

    when: dict[str, Any]
    kind: Any
    variables: dict[str, float]


CASES: Final = {
    "dust for six hours": Case(
        {
            "kind": "threshold",
            "metric": "pm2_5_ugm3",
            "raise_above": 150,
            "clear_below": 115,
            "for_s": 21_600,
        },
        "threshold",
        {"raise_above": 150, "clear_below": 115, "for_ms": 6 * HOUR_MS},
    ),
    "ozone three times": Case(
        {"kind": "count_in_window", "metric": "o3_ugm3", "above": 200, "times": 3, "within_s": 21_600},
        "count",
        {"above": 200, "times": 3, "within_ms": 6 * HOUR_MS},
    ),
}


def make_lake(folder: Path) -> SqlCatalog:
    """Make a lake with all tables in a folder; the caller closes it."""
    lake = SqlCatalog(
        "lake", uri=f"sqlite:///{folder}/catalog.db", warehouse=folder.as_uri(), schema_version="v1"
    )
    apply_tables(lake)
    return lake


def fill(lake: SqlCatalog, files: list[Path]) -> int:
    """Append the readings of recorded files through the shipped mapping; return how many there are."""
    table = lake.load_table(("iot", "readings"))
    schema = table.schema().as_arrow()
    readings, count = recorded_readings(files), 0
    while records := list(islice(readings, ROWS_A_FILE)):
        table.append(_arrow(records, schema, count))
        count += len(records)
    return count


def recorded_readings(files: list[Path]) -> Iterator[Record]:
    """Yield what devices would send, file by file; rows that measured nothing are left out."""
    mapping = load_mapping(DATASET)
    time_of = time_reader(mapping.time)
    for path in files:
        yield from (record for record in read_rows(path, mapping, time_of) if record.metrics)


def _arrow(records: list[Record], schema: pa.Schema, offset: int) -> pa.Table:
    times = [record.time_ms * 1000 for record in records]
    same = {"tenant": TENANT, "source": "recording", "mark": "on_time", "kafka_partition": 0}
    columns = {name: [value] * len(records) for name, value in same.items()} | {
        "device_id": [record.device_id for record in records],
        "event_id": [f"{record.label}:{record.row}" for record in records],
        "event_time": times,
        "received_at": times,
        "metrics": [list(record.metrics.items()) for record in records],
        "location": [_place(record) for record in records],
        "attributes": [list((record.attributes or {}).items()) for record in records],
        "kafka_offset": range(offset, offset + len(records)),
    }
    return pa.table([pa.array(columns[field.name], field.type) for field in schema], schema=schema)


def _place(record: Record) -> dict[str, float | None] | None:
    place = record.location
    return None if place is None else {"lat": place.lat, "lon": place.lon, "alt_m": place.alt_m}


class Recording:
    """What the files hold, by SQL of the oracle's own."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, files: list[Path]) -> None:
        self._connection = connection
        expect(connection, DATASET, files, Sent())
        found = connection.execute(
            "SELECT min(event_time_ms), max(event_time_ms) FROM expected_readings"
        ).fetchall()
        self.first_ms, self.last_ms = found[0]

    def instances(self, case: Case) -> dict[str, list[Instance]]:
        """Return the alerts of each station that has any, by window functions."""
        points: dict[str, list[tuple[int, float]]] = {}
        rows = self._connection.execute(
            "SELECT device_id, event_time_ms, value FROM expected_points WHERE metric = ?",
            [case.when["metric"]],
        ).fetchall()
        for device_id, *point in rows:
            points.setdefault(device_id, []).append((point[0], point[1]))
        variables = case.variables | {"until_ms": self.last_ms}
        found = {device: expected_alerts(case.kind, own, **variables) for device, own in points.items()}
        return {device: alerts for device, alerts in sorted(found.items()) if alerts}
