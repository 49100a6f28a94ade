"""What a person sees of a replay: a progress line on stderr, a summary at the end."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from ingest.replay.drive import Progress
from ingest.replay.session import Summary
from millrace.clock import to_iso
from millrace.output import Column, print_table


@contextmanager
def progress_line(total: int) -> Iterator[Callable[[Progress], None]]:
    """Show rate, acknowledged, in flight and time left; silent when stderr is no terminal."""
    console = Console(stderr=True)
    columns = (BarColumn(), TaskProgressColumn(), TextColumn("{task.description}"), TimeRemainingColumn())
    with Bar(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task("connecting", total=total)

        def report(now: Progress) -> None:
            bar.update(task, completed=now.acknowledged + now.refused, description=_line(now))

        yield report


def _line(now: Progress) -> str:
    rate = now.acknowledged / max(now.elapsed_s, 1e-9)
    return f"{rate:,.0f} readings/s, {now.acknowledged:,} acknowledged, {now.in_flight:,} in flight"


def show_summary(summary: Summary) -> None:
    """Print a replay's figures to stdout."""
    print_table((Column(""), Column("")), _figures(summary))


def _figures(summary: Summary) -> list[tuple[str, str]]:
    figures = [
        ("rows read", f"{summary.rows:,}"),
        ("rows without any metric, skipped", f"{summary.skipped_empty:,}"),
        ("rows older than the one before", f"{summary.out_of_order:,}"),
        ("readings sent", f"{summary.sent:,}"),
        ("acknowledged", f"{summary.acknowledged:,}"),
        ("refused", f"{summary.refused:,}"),
        ("event time", f"{to_iso(summary.first_ms)} to {to_iso(summary.last_ms)}"),
        ("seconds", f"{summary.seconds:,.1f}"),
        ("readings/s", f"{summary.readings_per_s:,.0f}"),
    ]
    figures += [("note", line) for line in summary.notes]
    return figures + ([("problem", summary.problem)] if summary.problem else [])
