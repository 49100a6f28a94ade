"""What a backtest over all air-quality rows costs, and whether it is right: `python -m bench.backtest_cost`.

Fills an Iceberg table of its own in a temporary folder through the shipped mapping, judges all of it by rules
of several kinds, and compares what it finds with window functions of DuckDB where those can say it.
"""

import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import duckdb
import typer
from pyiceberg.table import Table
from rich.console import Console
from rich.table import Table as Shown

from api.queries.backtests import Outcome, Tried, judge
from api.queries.timerange import Span
from bench.air_quality_lake import CASES, DATASET, TENANT, Recording, fill, make_lake
from bench.replay_trial import data_folder
from millrace.errors import MillraceError
from tests.oracle.alerts import Instance
from tests.oracle.expected import files_of
from udfs.rules.model import parse_rule
from udfs.rules.population import Population

GOAL_S: Final = 10.0
ROUNDS: Final = 3
HEADINGS: Final = ("rule", "kind", "rows", "fired", "seconds", "CPU s", "like DuckDB")
OTHERS: Final[dict[str, dict[str, Any]]] = {
    "pressure falls": {"kind": "rate_of_change", "metric": "pressure_hpa", "per_s": 3600, "above": 3},
    "silent station": {"kind": "absence", "after_s": 10_800},
    "unlike the hour": {"kind": "deviation", "metric": "temperature_c", "z": 5, "min_samples": 7},
    "warmer by tomorrow": {
        "kind": "forecast", "metric": "temperature_c", "will_cross_above": 35, "within_s": 21_600,
    },
    "calm, then dust": {
        "kind": "sequence",
        "steps": [
            {"as": "calm", "metric": "wind_speed_mps", "below": 0.5},
            {"as": "dust", "metric": "pm2_5_ugm3", "above": 100},
        ],
        "within_s": 21_600,
        "without": {"metric": "rain_mm", "above": 0},
    },
    "in the city": {"kind": "geofence", "circle": {"lat": 39.9, "lon": 116.4, "radius_m": 10_000}},
}  # fmt: skip


def main() -> None:
    files = files_of(data_folder(), DATASET)
    with tempfile.TemporaryDirectory() as folder, duckdb.connect() as connection:
        recording = Recording(connection, files)
        with closing(make_lake(Path(folder))) as lake:
            rows = fill(lake, files)
            table = lake.load_table(("iot", "readings"))
            typer.echo(f"{rows:,} readings of {len(files)} stations in {len(table.inspect.files())} files")
            slowest_s = _show(table, recording)
    typer.echo(f"slowest {slowest_s:.2f} s, goal {GOAL_S:.0f} s")
    if slowest_s > GOAL_S:
        raise typer.Exit(1)


def _show(table: Table, recording: Recording) -> float:
    shown, slowest_s = Shown(*HEADINGS, box=None, pad_edge=False), 0.0
    for name, when in ({name: case.when for name, case in CASES.items()} | OTHERS).items():
        found, seconds, cpu_s = _fastest(table, when, recording)
        slowest_s = max(slowest_s, seconds)
        like = _verdict(found, recording, name) if name in CASES else "-"
        cells = (f"{found.rows_read:,}", f"{found.verdict.fired:,}", f"{seconds:.2f}", f"{cpu_s:.2f}", like)
        shown.add_row(name, str(when["kind"]), *cells)
    Console().print(shown)
    return slowest_s


def _fastest(table: Table, when: dict[str, Any], recording: Recording) -> tuple[Outcome, float, float]:
    took = []
    for _ in range(ROUNDS):
        began_s, cpu_began_s = time.perf_counter(), time.process_time()
        found = run(table, when, recording)
        took.append((time.perf_counter() - began_s, time.process_time() - cpu_began_s))
    return found, *min(took)


def run(table: Table, when: dict[str, Any], recording: Recording) -> Outcome:
    """Judge the whole recording."""
    rule = parse_rule({"rule": "tried", "when": when})
    span = Span(recording.first_ms, recording.last_ms + 1)
    return judge(table, TENANT, Tried(rule, None, Population()), span, most=100_000)


def found_instances(found: Outcome) -> dict[str, list[Instance]]:
    """Return the alerts of each station that has any, in order of time."""
    by_device: dict[str, list[Instance]] = {}
    for device_id, alert in found.verdict.instances:
        by_device.setdefault(device_id, []).append((alert.onset_ms, alert.raised_ms, alert.cleared_ms))
    return dict(sorted(by_device.items()))


def _verdict(found: Outcome, recording: Recording, name: str) -> str:
    expected, actual = _flat(recording.instances(CASES[name])), _flat(found_instances(found))
    if expected == actual:
        return f"equal, {len(expected):,}"
    wrong = f"{name}: DuckDB has {len(expected):,}, we {len(actual):,}"
    raise MillraceError(wrong, where=f"first {min(expected ^ actual, default=())}")


def _flat(instances: dict[str, list[Instance]]) -> set[tuple[str, int, int, int]]:
    # An alert that lasts has no end.
    return {(device, *one[:2], one[2] or 0) for device, own in instances.items() for one in own}


if __name__ == "__main__":
    main()
