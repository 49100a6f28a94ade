"""What a look at a whole day costs in memory and time: `python -m bench.quality_cost`.

Fills a lake of its own in a temporary folder: a day of devices that send three metrics, an hour a file or the
whole day in one, as compaction leaves it. Each look runs in a process of its own, whose peak memory counts.
"""

import multiprocessing
import resource
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
import typer
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.table import Table
from rich.console import Console
from rich.table import Table as Shown

from bench.air_quality_lake import make_lake
from catalog.quality.day_rows import DAY_MS, Span
from catalog.quality.run import Bench, look_at
from catalog.quality.suite import suites
from catalog.quality.terms import DeviceTerms, Limits, Terms

GOAL_BYTES: Final = 1 << 30
START_MS: Final = 1_767_225_600_000
METRICS: Final = ("temperature_c", "humidity_pct", "pressure_hpa")
SUITES: Final = ("readings", "rollups_1m")
_HOURS: Final = 24


class Cost(NamedTuple):
    """What one look took; `failed` are the checks that did not pass."""

    suite: str
    rows: int
    seconds: float
    cpu_s: float
    peak_bytes: int
    failed: str


def main(
    devices: int = typer.Option(1_000, help="Devices that send."),
    interval_s: int = typer.Option(10, help="Seconds between two readings of a device."),
    one_file: bool = typer.Option(False, help="The day in one file, as compaction leaves it."),
) -> None:
    """Fill a day, look at it, and print what that took; exit 1 above 1 GiB or when a check fails."""
    console = Console()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        begun = time.monotonic()
        fill(folder, devices, interval_s, one_file)
        console.print(f"filled in {time.monotonic() - begun:.0f} s")
        costs = [_alone(folder, suite, devices, interval_s) for suite in SUITES]
    console.print(_shown(costs))
    raise typer.Exit(0 if all(one.peak_bytes <= GOAL_BYTES and not one.failed for one in costs) else 1)


def fill(folder: Path, devices: int, interval_s: int, one_file: bool) -> None:
    """Write a day of readings and of minutes."""
    with closing(make_lake(folder)) as lake:
        hours = [range(_HOURS)] if one_file else [range(hour, hour + 1) for hour in range(_HOURS)]
        for some in hours:
            readings = lake.load_table(("iot", "readings"))
            _append(readings, pa.concat_tables(_readings(devices, interval_s, hour) for hour in some))
            rollups = lake.load_table(("iot", "rollups_1m"))
            _append(rollups, pa.concat_tables(_minutes(devices, hour) for hour in some))


def _append(table: Table, rows: pa.Table) -> None:
    wanted = table.schema().as_arrow()
    missing = {name: pa.nulls(len(rows), wanted.field(name).type) for name in wanted.names}
    columns = [rows[name] if name in rows.column_names else missing[name] for name in wanted.names]
    table.append(pa.table(dict(zip(wanted.names, columns, strict=True))).cast(wanted))


def _readings(devices: int, interval_s: int, hour: int) -> pa.Table:
    steps = 3_600 // interval_s
    count = devices * steps
    device, step = np.tile(np.arange(devices), steps), np.repeat(np.arange(steps), devices)
    time_us = (START_MS + 3_600_000 * hour + 1_000 * interval_s * step) * 1_000 + device * 1_000
    place = count * hour + np.arange(count)
    return pa.table(
        {
            "tenant": _same("demo", count),
            "device_id": _names(device),
            "event_id": pa.array(place, pa.int64()).cast(pa.string()),
            "event_time": _times(time_us),
            "metrics": _metrics(count, hour),
            "received_at": _times(time_us + 200_000),
            "source": _same("bench", count),
            "kafka_partition": pa.array(place % 2, pa.int32()),
            "kafka_offset": pa.array(place // 2, pa.int64()),
            "mark": _same("on_time", count),
        }
    )


def _metrics(count: int, seed: int) -> pa.MapArray:
    values = np.random.default_rng(seed).normal(20.0, 2.0, count * len(METRICS))
    keys = pa.DictionaryArray.from_arrays(np.tile(np.arange(len(METRICS)), count), list(METRICS))
    offsets = np.arange(0, count * len(METRICS) + 1, len(METRICS), dtype=np.int32)
    return pa.MapArray.from_arrays(offsets, keys.cast(pa.string()), pa.array(values))


def _minutes(devices: int, hour: int) -> pa.Table:
    windows = devices * len(METRICS)
    count = 60 * windows
    window, minute = np.tile(np.arange(windows), 60), np.repeat(np.arange(60), windows)
    metric = pa.DictionaryArray.from_arrays(window % len(METRICS), list(METRICS)).cast(pa.string())
    figures = {name: pa.array(np.full(count, 20.0)) for name in ("min", "max", "first", "last")}
    return pa.table(
        figures
        | {
            "tenant": _same("demo", count),
            "device_id": _names(window // len(METRICS)),
            "metric": metric,
            "window_start": _times((START_MS + 3_600_000 * hour + 60_000 * minute) * 1_000),
            "sum": pa.array(np.full(count, 120.0)),
            "count": pa.array(np.full(count, 6), pa.int64()),
            "late_count": pa.array(np.zeros(count), pa.int64()),
            "revision": pa.array(np.zeros(count), pa.int32()),
            "complete": pa.array(np.ones(count, dtype=bool)),
        }
    )


def _names(device: "np.ndarray[tuple[int], np.dtype[np.int64]]") -> pa.Array:
    names = [f"device-{number:05d}" for number in range(int(device.max()) + 1)]
    return pa.DictionaryArray.from_arrays(device, names).cast(pa.string())


def _same(text: str, count: int) -> pa.Array:
    return pa.repeat(pa.scalar(text), count)


def _times(time_us: "np.ndarray[tuple[int], np.dtype[np.int64]]") -> pa.Array:
    return pa.array(time_us, pa.int64()).cast(pa.timestamp("us", "UTC"))


def _alone(folder: Path, suite: str, devices: int, interval_s: int) -> Cost:
    # A process that was forked would begin with our memory.
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_look, (folder, suite, devices, interval_s))


def _look(folder: Path, suite: str, devices: int, interval_s: int) -> Cost:
    ranges = {name: Limits(-1_000.0, 1_000.0) for name in METRICS}
    terms = Terms([DeviceTerms("demo", f"device-{n:05d}", "p", interval_s, ranges) for n in range(devices)])
    begun, cpu_begun_s = time.monotonic(), time.process_time()
    place = {"uri": f"sqlite:///{folder}/catalog.db", "warehouse": folder.as_uri()}
    with closing(SqlCatalog("lake", **place, schema_version="v1")) as lake:
        bench = Bench(lake, lambda _from, _until: terms, folder / "scratch")
        # The next day has begun: nobody asks for news of this one.
        look = look_at(bench, suites()[suite], Span(START_MS, START_MS + DAY_MS + 3_600_000))
        rows = int(lake.load_table(("iot", suite)).current_snapshot().summary["total-records"] or 0)  # type: ignore[union-attr,index]
    failed = [one.check for one in look.findings if not one.passed] if look else ["nothing was seen"]
    return Cost(
        suite,
        rows,
        time.monotonic() - begun,
        time.process_time() - cpu_begun_s,
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1_024,
        ", ".join(failed),
    )


def _shown(costs: list[Cost]) -> Shown:
    table = Shown(title="a look at one day", title_justify="left")
    for column in ("suite", "rows", "seconds", "CPU s", "peak MiB", "failed"):
        table.add_column(column, justify="left" if column in {"suite", "failed"} else "right")
    for one in costs:
        figures = (
            f"{one.rows:,}",
            f"{one.seconds:.1f}",
            f"{one.cpu_s:.1f}",
            f"{one.peak_bytes / 2**20:,.0f}",
        )
        table.add_row(one.suite, *figures, one.failed or "none")
    table.caption = f"goal: at most {GOAL_BYTES / 2**20:,.0f} MiB"
    return table


if __name__ == "__main__":
    typer.run(main)
