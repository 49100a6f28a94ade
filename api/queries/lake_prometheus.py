"""The figures of the lake's tables as Prometheus families."""

from collections.abc import Iterator
from typing import Final

from prometheus_client.core import GaugeMetricFamily, Metric

from api.answers import LakeFigures

_GAUGES: Final = {
    "files": "Data files of the newest snapshot.",
    "rows": "Rows.",
    "size_bytes": "Bytes of data files.",
    "most_files_per_day": "Files of the most fragmented day of a partition.",
    "scan_amplification": "Files of days that are over, per file they would need.",
    "snapshots": "Snapshots that are kept.",
    "files_joined": "Small files joined since the stack began.",
    "files_made": "Files they became.",
    "snapshots_expired": "Snapshots expired since the stack began.",
    "orphans_removed": "Orphaned files removed since the stack began.",
    "maintenance_cpu_s": "CPU time of maintenance since the stack began, seconds.",
    "within_budget": "1 when the table is as well packed as it should be.",
}


def of_lake(lake: LakeFigures) -> Iterator[Metric]:
    """Yield a family for each figure, with the table as its label."""
    for name, about in _GAUGES.items():
        family = GaugeMetricFamily(f"millrace_table_{name}", about, labels=["table"])
        for table in lake.tables or []:
            family.add_metric([table.table], float(getattr(table, name)))
        yield family
    budgets = GaugeMetricFamily("millrace_table_budget", "What is allowed.", labels=["figure"])
    budgets.add_metric(["most_files_per_day"], float(lake.files_per_day_budget or 0))
    budgets.add_metric(["scan_amplification"], float(lake.amplification_budget or 0))
    yield budgets
