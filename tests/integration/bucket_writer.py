"""Lets Flink write readings into the lake of the settings (`python -m tests.integration.bucket_writer -`).

A process of its own, for its JVM and settings. Once for each address of a REST catalog; `-` is PostgreSQL.
"""

import os
import sys
from typing import Final, NamedTuple

from pyflink.table import StreamTableEnvironment

from jobs.runtime.connectors import _SQL, _values
from jobs.runtime.environment import plan_for_cluster
from jobs.runtime.plan import launch
from millrace.settings import Settings, settings
from millrace.stack.flink import link_jars
from tests.flink.local_stream import local_environment


class Told(NamedTuple):
    """A reading as Flink is told it."""

    device_id: str
    event_id: str
    at_ms: int
    value: float
    offset: int
    mark: str


# The second is late, the third repeats the first, the last is out of order.
ROWS: Final = (
    Told("flink-1", "a", 1_769_860_800_000, 1.5, 2_000_000, "on_time"),
    Told("flink-1", "b", 1_769_857_200_000, 2.5, 2_000_001, "late"),
    Told("flink-1", "a", 1_769_860_800_000, 1.5, 2_000_002, "duplicate"),
    Told("flink-2", "c", 1_769_860_803_000, 4.5, 2_000_003, "on_time"),
    Told("flink-2", "d", 1_769_860_802_000, 3.5, 2_000_004, "on_time"),
)


def _insert() -> str:
    rows = ", ".join(
        f"('{one.device_id}', '{one.event_id}', {one.at_ms}, {one.value}, {one.offset}, '{one.mark}')"
        for one in ROWS
    )
    at = "CAST(TO_TIMESTAMP_LTZ(at_ms, 3) AS TIMESTAMP_LTZ(6))"
    return f"""
    INSERT INTO lake.iot.readings
    SELECT 'demo', device_id, event_id, {at}, MAP['temperature_c', CAST(temperature AS DOUBLE)],
      CAST(NULL AS ROW<lat DOUBLE, lon DOUBLE, alt_m DOUBLE>), CAST(NULL AS MAP<STRING, STRING>),
      {at}, 'flink', 0, CAST(place AS BIGINT), mark
    FROM (VALUES {rows}) AS told (device_id, event_id, at_ms, temperature, place, mark)
    """


def write(tables: StreamTableEnvironment, config: Settings) -> None:
    """Write the rows to the lake as the jobs' own files declare it."""
    tables.execute_sql((_SQL / "lake.sql").read_text().format(**_values(config)))
    statements = tables.create_statement_set()
    statements.add_insert_sql(_insert())
    launch(tables, statements, "bucket").get_job_execution_result().result()
    tables.execute_sql("DROP CATALOG lake")


def main(*addresses: str) -> None:
    """Write to each catalog in turn."""
    config = settings()
    link_jars(config)
    plan_for_cluster(config)
    del os.environ["_python_worker_execution_mode"]  # noqa: SIM112 (Flink's spelling)
    tables = local_environment(config.folder / "flink")
    for address in addresses:
        told = {"rest_catalog": "" if address == "-" else address}
        write(tables, config.model_copy(update={"lake": config.lake.model_copy(update=told)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
