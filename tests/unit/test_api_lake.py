"""What maintenance reports becomes figures and Prometheus text."""

from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.registry import Collector

from api.queries.lake_prometheus import of_lake
from api.queries.maintenance import STALE_AFTER_MS, lake_figures
from catalog.maintenance.budget import Fitness
from catalog.maintenance.compaction import Compacted
from catalog.maintenance.report import Done, Report, TableReport, read_report, write_report

pytestmark = [pytest.mark.lakehouse, pytest.mark.web]

NOW_MS = 1_769_860_800_000
TABLE = TableReport(
    Fitness(40, 1, 1_000, 5_000, 40, 1.5),
    361,
    Done(compacted=Compacted(100, 4, 900, 10, 5), cpu_s=1.5, compacted_at_ms=NOW_MS),
)
REPORT = Report(NOW_MS, 12, {"iot.readings": TABLE})


def test_a_report_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "maintenance.json"
    assert read_report(path) is None
    write_report(path, REPORT)
    assert read_report(path) == REPORT


def test_the_newest_pass_is_told_and_an_old_one_is_not(tmp_path: Path) -> None:
    path = tmp_path / "maintenance.json"
    assert lake_figures(path, NOW_MS).state == "unavailable"
    write_report(path, REPORT)
    found = lake_figures(path, NOW_MS + 1_000)
    assert found.tables is not None
    (table,) = found.tables
    assert (found.state, found.age_ms) == ("ok", 1_000)
    assert (table.table, table.files_joined, table.maintenance_cpu_s) == ("iot.readings", 100, 1.5)
    late = lake_figures(path, NOW_MS + STALE_AFTER_MS + 1)
    assert (late.state, late.tables) == ("unavailable", None)


def test_prometheus_gets_a_sample_a_table_and_the_budget(tmp_path: Path) -> None:
    path = tmp_path / "maintenance.json"
    write_report(path, REPORT)
    figures = lake_figures(path, NOW_MS)

    class Lake(Collector):
        def collect(self):  # type: ignore[no-untyped-def]
            yield from of_lake(figures)

    registry = CollectorRegistry()
    registry.register(Lake())
    text = generate_latest(registry).decode()
    assert 'millrace_table_files{table="iot.readings"} 40.0' in text
    assert 'millrace_table_within_budget{table="iot.readings"} 1.0' in text
    assert 'millrace_table_budget{figure="most_files_per_day"} 96.0' in text
