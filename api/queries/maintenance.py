"""How the tables are packed and what maintenance did, from the file it leaves in the stack's folder."""

from pathlib import Path

from api.answers import LakeFigures, TableFigures
from catalog.maintenance.budget import AMPLIFICATION, FILES_PER_DAY
from catalog.maintenance.report import Report, TableReport, read_report
from millrace.clock import age_ms, to_iso

MAINTENANCE_FILE = "maintenance.json"
# A pass comes each minute; one that has much to do may take some.
STALE_AFTER_MS = 1_800_000


def lake_figures(path: Path, now_ms: int) -> LakeFigures:
    """Return the figures of the newest pass; one too old or absent is unavailable."""
    report = read_report(path)
    if report is None:
        return LakeFigures(state="unavailable", reason="maintenance has not made a pass yet")
    if now_ms - report.at_ms > STALE_AFTER_MS:
        seconds = (now_ms - report.at_ms) // 1000
        return LakeFigures(state="unavailable", reason=f"maintenance made its last pass {seconds} s ago")
    return _figures(report, now_ms)


def _figures(report: Report, now_ms: int) -> LakeFigures:
    return LakeFigures(
        state="ok",
        taken_at=to_iso(report.at_ms),
        taken_at_ms=report.at_ms,
        age_ms=age_ms(report.at_ms, now_ms),
        files_per_day_budget=FILES_PER_DAY,
        amplification_budget=AMPLIFICATION,
        tables=[_table(name, table) for name, table in report.tables.items()],
    )


def _table(name: str, table: TableReport) -> TableFigures:
    done = table.done
    return TableFigures(
        table=name,
        within_budget=table.fitness.within_budget,
        files=table.fitness.files,
        partitions=table.fitness.partitions,
        rows=table.fitness.rows,
        size_bytes=table.fitness.size_bytes,
        most_files_per_day=table.fitness.most_files,
        scan_amplification=table.fitness.amplification,
        snapshots=table.snapshots,
        files_joined=done.compacted.files_before,
        files_made=done.compacted.files_after,
        snapshots_expired=done.expired.snapshots,
        orphans_removed=done.orphans.files,
        maintenance_cpu_s=done.cpu_s,
        compacted_at=to_iso(done.compacted_at_ms) if done.compacted_at_ms else None,
    )
