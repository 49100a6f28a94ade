"""What presence and sessions cost, and how soon a silence is told (`python -m bench.sessions`).

Cost: the sessions job and the same state machine as a plain keyed process function, one after the other
over the same log of devices that send once a second. A short and a long run of each: their difference
is the cost of readings alone. Delay: on a running stack with as many devices sending.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import typer
from rich.console import Console
from rich.table import Table

from bench.detection import detection
from bench.freshness import Percentiles
from bench.processes import MILLRACE
from bench.session_log import fill, take_times_of_senders
from millrace.clock import now_ms
from millrace.settings import Settings, settings

# Seconds of the log in the short and the long run; the peer would take minutes for what we read.
RUNS_S = {"millrace": (10, 70), "peer": (2, 6), "peer in thread mode": (5, 35)}
WARM_UP_S = 30.0


class Cost(NamedTuple):
    """CPU seconds of a variant for some readings, its start left out."""

    readings: int
    cpu_s: float

    @property
    def per_cpu_second(self) -> float:
        """Return readings per CPU second."""
        return self.readings / self.cpu_s


def measure(settings: Settings, variant: str, devices: int, start_ms: int) -> Cost:
    """Run a variant twice over the log in Kafka, each time in a process of its own."""
    short_s, long_s = RUNS_S[variant]
    cpu_s = [_run(settings, variant, start_ms + seconds * 1000) for seconds in (short_s, long_s)]
    return Cost(devices * (long_s - short_s), cpu_s[1] - cpu_s[0])


def _run(settings: Settings, variant: str, until_ms: int) -> float:
    command = [sys.executable, "-m", "bench.session_variants", variant, str(until_ms)]
    environment = os.environ | settings.environment()
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return float(done.stdout.split()[-1])


def cost_table(costs: dict[str, Cost]) -> Table:
    """Return what a reading costs in each variant."""
    table = Table(title="sessions and presence: CPU of the whole job", title_justify="left")
    for column in ("variant", "readings", "us/reading", "readings per CPU-second", "of millrace"):
        table.add_column(column, justify="left" if column == "variant" else "right")
    best = costs["millrace"].per_cpu_second
    for name, cost in costs.items():
        figures = (
            f"{cost.readings:,}",
            f"{cost.cpu_s / cost.readings * 1e6:.1f}",
            f"{cost.per_cpu_second:,.0f}",
        )
        table.add_row(name, *figures, f"{cost.per_cpu_second / best:.2f}")
    return table


def _cost(devices: int, console: Console) -> dict[str, Cost]:
    """Measure on a stack whose jobs stand still."""
    subprocess.run([MILLRACE, "up"], check=True)
    try:
        control = [str(Path(sys.executable).parent / "supervisorctl"), "-c"]
        subprocess.run([*control, str(settings().folder / "supervisord.conf"), "stop", "keeper"], check=True)
        bootstrap = settings().address("kafka")
        take_times_of_senders(bootstrap)
        # Lately: the broker deletes what is older than the topic keeps, while it is being read.
        start_ms = now_ms() // 60_000 * 60_000 - 3_600_000
        fill(bootstrap, devices, max(long_s for _, long_s in RUNS_S.values()), start_ms)
        costs = {}
        for variant in RUNS_S:
            console.print(f"cost: {variant} ...")
            costs[variant] = measure(settings(), variant, devices, start_ms)
        return costs
    finally:
        subprocess.run([MILLRACE, "down", "--wipe"], check=True)


def _delay(devices: int, stopped: int) -> Percentiles:
    subprocess.run([MILLRACE, "up"], check=True)
    try:
        return detection(settings(), devices, stopped, WARM_UP_S)
    finally:
        subprocess.run([MILLRACE, "down", "--wipe"], check=True)


def main(
    devices: int = typer.Option(20_000, help="Devices that send once a second each."),
    stopped: int = typer.Option(200, help="How many fall silent in the delay run."),
    cost: bool = typer.Option(True, help="Measure what a reading costs (about 10 min)."),
    delay: bool = typer.Option(True, help="Measure how late a silence is told (about 4 min)."),
) -> None:
    """Measure the cost of a reading against the peer, then how late a silence is told."""
    os.environ.setdefault("MILLRACE_STACK", "bench")
    os.environ.setdefault("MILLRACE_PORT_OFFSET", "2000")
    console = Console()
    if cost:
        console.print(cost_table(_cost(devices, console)))
    if delay:
        found = _delay(devices, stopped)
        p50, p99, worst = (f"{value / 1000:.1f} s" for value in found[1:])
        console.print(
            f"{devices:,} devices, {found.observations} fell silent: told after offline_after + "
            f"p50 {p50}, p99 {p99}, worst {worst}"
        )


if __name__ == "__main__":
    typer.run(main)
