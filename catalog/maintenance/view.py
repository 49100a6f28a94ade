"""The tables for people."""

from rich.text import Text

from catalog.maintenance.budget import AMPLIFICATION, FILES_PER_DAY
from catalog.maintenance.report import Report, TableReport
from millrace.output import Cell, left, print_table, right

_STEP = 1024
_COLUMNS = ("rows", "size", "files", "a day", "ampl.", "snap.", "joined", "last", "CPU s")


def show_tables(report: Report) -> None:
    """Print a line for each table and the budget they are held against."""
    rows = [(name, *_row(table, report.at_ms)) for name, table in report.tables.items()]
    caption = (
        f"budget: {FILES_PER_DAY} files a day and partition (a day: the most); "
        f"days that are over open at most {AMPLIFICATION:.0f} times the files they need (ampl.)"
    )
    print_table((*left("table"), *right(*_COLUMNS)), rows, title="tables", caption=caption)


def _row(table: TableReport, now_ms: int) -> list[Cell]:
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


def _judged(text: str, *, good: bool) -> Cell:
    return text if good else Text(text, "red")


def size_text(size_bytes: float) -> str:
    """Return a size as people read it."""
    for unit in ("B", "kB", "MB", "GB"):
        if size_bytes < _STEP:
            return f"{size_bytes:.0f} {unit}" if unit == "B" else f"{size_bytes:.1f} {unit}"
        size_bytes /= _STEP
    return f"{size_bytes:.1f} TB"
