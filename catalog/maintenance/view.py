"""The tables for people."""

from rich.console import Console
from rich.table import Table

from catalog.maintenance.budget import AMPLIFICATION, FILES_PER_DAY
from catalog.maintenance.report import Report, TableReport

_STEP = 1024
_COLUMNS = ("rows", "size", "files", "a day", "ampl.", "snap.", "joined", "last", "CPU s")


def show_tables(report: Report) -> None:
    """Print a line for each table and the budget they are held against."""
    # Without lines, so that names and figures are whole on 80 columns.
    shown = Table(title="tables", title_justify="left", box=None, padding=(0, 1, 0, 0))
    shown.add_column("table", no_wrap=True, min_width=20)
    for name in _COLUMNS:
        shown.add_column(name, justify="right", overflow="fold")
    for name, table in report.tables.items():
        shown.add_row(name, *_row(table, report.at_ms))
    shown.caption = (
        f"budget: {FILES_PER_DAY} files a day and partition (a day: the most); "
        f"days that are over open at most {AMPLIFICATION:.0f} times the files they need (ampl.)"
    )
    Console().print(shown)


def _row(table: TableReport, now_ms: int) -> list[str]:
    fitness, done = table.fitness, table.done
    return [
        f"{fitness.rows:,}",
        size_text(fitness.size_bytes),
        f"{fitness.files:,}",
        _judged(f"{fitness.most_files:,}", good=fitness.most_files <= FILES_PER_DAY),
        _judged(f"{fitness.amplification:.1f}", good=fitness.amplification <= AMPLIFICATION),
        f"{table.snapshots:,}",
        f"{done.compacted.files_before:,}→{done.compacted.files_after:,}",
        f"{(now_ms - done.compacted_at_ms) // 60_000} min" if done.compacted_at_ms else "never",
        f"{done.cpu_s:,.1f}",
    ]


def _judged(text: str, *, good: bool) -> str:
    return text if good else f"[red]{text}[/]"


def size_text(size_bytes: float) -> str:
    """Return a size as people read it."""
    for unit in ("B", "kB", "MB", "GB"):
        if size_bytes < _STEP:
            return f"{size_bytes:.0f} {unit}" if unit == "B" else f"{size_bytes:.1f} {unit}"
        size_bytes /= _STEP
    return f"{size_bytes:.1f} TB"
