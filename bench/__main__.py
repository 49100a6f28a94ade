"""Runs the benchmarks on a stack of their own and prints what they found (`make bench`)."""

import os
import subprocess

import typer
from rich.console import Console
from rich.table import Table

from bench.drain import DrainFigures, drain
from bench.freshness import Percentiles, freshness
from bench.processes import MILLRACE
from millrace.settings import settings

GOAL_PER_S = 100_000
FLOOR_PER_S = 80_000
WARM_UP_S = 20.0


def main(
    readings: int = typer.Option(5_000_000, help="Readings drained and counted."),
    warm_up: int = typer.Option(1_000_000, help="Readings drained first, not counted."),
    devices: int = typer.Option(2_000, help="Devices that send them."),
    rate: int = typer.Option(2_000, help="Readings/s of the freshness run."),
    seconds: float = typer.Option(60, help="Length of the freshness run."),
    keep: bool = typer.Option(False, help="Leave the bench stack running."),
) -> None:
    """Drain preloaded readings, then measure freshness at a steady rate."""
    os.environ.setdefault("MILLRACE_STACK", "bench")
    os.environ.setdefault("MILLRACE_PORT_OFFSET", "2000")
    console = Console()
    subprocess.run([MILLRACE, "up"], check=True)
    try:
        console.print(f"freshness: {rate:,} readings/s over MQTT for {seconds:.0f} s ...")
        freshness(settings(), rate, 200, WARM_UP_S)
        console.print(_freshness_table(freshness(settings(), rate, 200, seconds)))
        console.print(f"drain: preloading {warm_up + readings:,} readings ...")
        figures = drain(settings(), readings, warm_up, devices)
        console.print(_drain_table(figures))
    finally:
        if not keep:
            subprocess.run([MILLRACE, "down", "--wipe"], check=True)
    raise typer.Exit(0 if figures.counted / figures.processed_s >= FLOOR_PER_S else 1)


def _freshness_table(found: dict[str, Percentiles]) -> Table:
    table = Table(title="publish on MQTT to visible", title_justify="left")
    for column in ("in", "observations", "p50 ms", "p99 ms", "worst ms"):
        table.add_column(column, justify="left" if column == "in" else "right")
    for place, row in found.items():
        table.add_row(place, *(f"{value:,.0f}" for value in row))
    return table


def _drain_table(figures: DrainFigures) -> Table:
    rate = figures.counted / figures.processed_s
    total_s = figures.cpu_s.total()
    busy = total_s / figures.committed_s / (os.cpu_count() or 1)
    table = Table(title=f"drain of {figures.counted:,} readings into Iceberg and Redis", title_justify="left")
    for column in ("process", "CPU s", "us/reading", "share"):
        table.add_column(column, justify="left" if column == "process" else "right")
    for name, seconds in figures.cpu_s.most_common():
        share = seconds / total_s
        table.add_row(name, f"{seconds:.1f}", f"{seconds / figures.counted * 1e6:.2f}", f"{share:.0%}")
    table.add_section()
    table.add_row("all", f"{total_s:.1f}", f"{total_s / figures.counted * 1e6:.2f}", "100%")
    table.caption = (
        f"{rate:,.0f} readings/s processed (goal {GOAL_PER_S:,}), "
        f"{figures.counted / figures.committed_s:,.0f}/s until committed; "
        f"{figures.counted / total_s:,.0f} readings per CPU-second.\n"
        f"Limit: {_limit(figures, busy)}"
    )
    return table


def _limit(figures: DrainFigures, busy: float) -> str:
    name, seconds = figures.cpu_s.most_common(1)[0]
    what = (
        "all cores are busy" if busy > 0.85 else "the cores are not full: a single thread or the disk waits"
    )
    return f"{what} ({busy:.0%}); most of it is {name} ({seconds / figures.cpu_s.total():.0%})."


if __name__ == "__main__":
    typer.run(main)
