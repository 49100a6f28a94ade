"""Runs the benchmarks on stacks of their own and prints what they found (`make bench`)."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from bench import sessions
from bench.alert_cost import AlertCost, alert_costs
from bench.alert_latency import GOAL_P99_MS, alert_latency
from bench.calibration import calibration_s
from bench.drain import DrainFigures, drain
from bench.freshness import Percentiles, freshness
from bench.history_lake import Size
from bench.history_latency import history_latency
from bench.lake_maintenance import measure_maintenance
from bench.processes import MILLRACE
from millrace.settings import settings

GOAL_PER_S = 100_000
FLOOR_PER_S = 80_000
# By then the compilers of the JVMs have done most of their work.
WARM_UP_S = 90.0


class Part(StrEnum):
    """What `--only` runs."""

    FRESHNESS = "freshness"
    DRAIN = "drain"
    ALERTS = "alerts"
    SESSIONS = "sessions"
    HISTORY = "history"
    MAINTENANCE = "maintenance"


History = Annotated[
    tuple[int, int, int],
    typer.Option(help="Of the history run: devices, days, commits of the unmaintained table's last day."),
]
Lake = Annotated[
    tuple[int, int, int], typer.Option(help="Of the maintenance run: devices, days, commits of the last day.")
]
Only = Annotated[
    Part | None, typer.Option(help="One part; sessions, history and maintenance run only when asked for.")
]


def main(
    readings: int = typer.Option(5_000_000, help="Readings drained and counted."),
    warm_up: int = typer.Option(1_000_000, help="Readings drained first, not counted."),
    devices: int = typer.Option(2_000, help="Devices that send them."),
    rate: int = typer.Option(2_000, help="Readings/s of the freshness run."),
    alert_rate: int = typer.Option(5_000, help="Readings/s of the alert latency run."),
    alert_readings: int = typer.Option(400_000, help="Readings drained under each number of rules."),
    seconds: float = typer.Option(60, help="Length of the freshness run, and of the alert latency run."),
    history: History = (200, 30, 144),
    lake: Lake = (1_000, 2, 864),
    only: Only = None,
    keep: bool = typer.Option(False, help="Leave the bench stack running."),
) -> None:
    """Measure freshness at a steady rate, the drain of preloaded readings, and what alerts take."""
    os.environ.setdefault("MILLRACE_STACK", "bench")
    os.environ.setdefault("MILLRACE_PORT_OFFSET", "2000")
    console = Console()
    console.print(f"calibration: a fixed loop of plain Python takes {calibration_s():.2f} s on this machine")
    fast_enough = True
    if only in {None, Part.FRESHNESS, Part.DRAIN}:
        with _stack(keep=keep and only is not None):
            if only != Part.DRAIN:
                _measure_freshness(console, rate, seconds)
            if only != Part.FRESHNESS:
                fast_enough = _measure_drain(console, readings, warm_up, devices)
    if only in {None, Part.ALERTS}:
        with _stack(keep=False):
            _measure_alert_cost(console, alert_readings)
        with _stack(keep=keep):
            _measure_alert_latency(console, alert_rate, seconds)
    if only is Part.SESSIONS:
        sessions.main(devices=20_000, stopped=200, cost=True, delay=True)
    if only is Part.HISTORY:
        fast_enough = history_latency(Size(history[0], history[1], 3, 7, history[2]), console)
    if only is Part.MAINTENANCE:
        fast_enough = measure_maintenance(console, *lake)
    raise typer.Exit(0 if fast_enough else 1)


@contextmanager
def _stack(*, keep: bool) -> Iterator[None]:
    """Start the bench stack, and leave nothing of it unless it is to be kept."""
    subprocess.run([MILLRACE, "up"], check=True)
    try:
        yield
    finally:
        if not keep:
            subprocess.run([MILLRACE, "down", "--wipe"], check=True)


def _measure_freshness(console: Console, rate: int, seconds: float) -> None:
    console.print(f"freshness: {rate:,} readings/s over MQTT for {seconds:.0f} s ...")
    freshness(settings(), rate, 200, WARM_UP_S)
    console.print(
        _freshness_table("publish on MQTT to visible", "in", freshness(settings(), rate, 200, seconds))
    )


def _measure_drain(console: Console, readings: int, warm_up: int, devices: int) -> bool:
    """Tell whether the floor was reached."""
    console.print(f"drain: preloading {warm_up + readings:,} readings ...")
    figures = drain(settings(), readings, warm_up, devices)
    console.print(_drain_table(figures))
    return figures.counted / figures.processed_s >= FLOOR_PER_S


def _measure_alert_cost(console: Console, readings: int) -> None:
    console.print(f"alerts: draining {readings:,} readings under each number of rules ...")
    console.print(_cost_table(list(alert_costs(settings(), readings, readings // 2))))


def _measure_alert_latency(console: Console, rate: int, seconds: float) -> None:
    console.print(f"alerts: {rate:,} readings/s for {seconds:.0f} s ...")
    found = alert_latency(settings(), rate, seconds, WARM_UP_S)
    table = _freshness_table(f"publish to alert at {rate:,} readings/s", "readings", found)
    table.caption = f"goal: p99 < {GOAL_P99_MS:,} ms"
    console.print(table)


def _cost_table(costs: list[AlertCost]) -> Table:
    title = "alerts job: CPU of Flink and its Python workers"
    table = Table(title=title, title_justify="left")
    for column in ("rules", "match a device", "us/reading", "readings per CPU-second", "readings/s"):
        table.add_column(column, justify="right")
    for cost in costs:
        table.add_row(
            f"{cost.rules:,}",
            f"{cost.matching:,}",
            f"{cost.cpu_s / cost.readings * 1e6:.1f}",
            f"{cost.per_cpu_second:,.0f}",
            f"{cost.readings / cost.seconds:,.0f}",
        )
    return table


def _freshness_table(title: str, first: str, found: dict[str, Percentiles]) -> Table:
    table = Table(title=title, title_justify="left")
    for column in (first, "observations", "p50 ms", "p99 ms", "worst ms"):
        table.add_column(column, justify="left" if column == first else "right")
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
