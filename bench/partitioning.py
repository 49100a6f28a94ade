"""The same readings under other partitions and sort orders: files, bytes, CPU and what questions take.

`python -m bench.partitioning --fleet 30 30 288` writes 30 devices at 10 s over 30 days, a quarter of a
day a commit and the last day in 288, under each layout. Then it asks by the product's own reader, before and
after compaction.
There are as many files a day as 1,000 devices have: the aim of 128 MB a file is scaled down with the fleet.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

import typer
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.table import Table
from pyiceberg.table.sorting import NullOrder, SortField, SortOrder
from pyiceberg.transforms import (
    BucketTransform,
    DayTransform,
    HourTransform,
    IdentityTransform,
    MonthTransform,
    Transform,
)
from rich.console import Console
from rich.table import Table as Shown

from bench.lake_writing import DAY_S, Fleet, spans, write
from catalog import footers, snapshot_files
from catalog.ddl import read_table
from catalog.maintenance.compaction import Compacted, compact
from catalog.maintenance.live_files import live_files
from catalog.maintenance.plan import Policy
from catalog.raw_history import read_raw
from catalog.snapshot_files import Where, planned
from catalog.stored_rows import read_rows
from millrace.clock import from_iso, now_ms
from millrace.contracts import SCHEMAS

# The first of a month, so that 30 days lie in one.
_FIRST_S: Final = from_iso("2026-01-01T00:00:00Z") // 1000
_INTERVAL_S: Final = 10
_FULL_FLEET: Final = 1_000
_REPEATS: Final = 5
_DEVICE: Final = "device-00007"
_BY_DEVICE: Final = ("device_id", "tenant", "event_time")
_BY_TIME: Final = ("event_time",)


class Layout(NamedTuple):
    """Columns with the function that cuts them into partitions, and the order of rows in joined files."""

    name: str
    partitions: tuple[tuple[str, Transform[Any, Any]], ...]
    order: tuple[str, ...]


LAYOUTS: Final = (
    Layout("month, by device", (("event_time", MonthTransform()),), _BY_DEVICE),
    Layout("month, by time", (("event_time", MonthTransform()),), _BY_TIME),
    Layout("day, by device", (("event_time", DayTransform()),), _BY_DEVICE),
    Layout(
        "day + 16 buckets, by device",
        (("event_time", DayTransform()), ("device_id", BucketTransform(16))),
        _BY_DEVICE,
    ),
    Layout("hour, by device", (("event_time", HourTransform()),), _BY_DEVICE),
)


class Asked(NamedTuple):
    """What a question takes: with nothing read before, and again (CPU ms, best of some)."""

    cold_ms: float
    warm_ms: float
    rows: int


class State(NamedTuple):
    """A table as it is: files it has, files the last day touches, bytes, and what was asked of it."""

    files: int
    day_files: int
    size_bytes: int
    device_day: Asked
    fleet_day: Asked
    device_month: Asked


class Trial(NamedTuple):
    """What became of a layout; CPU seconds of writing and of compaction."""

    layout: Layout
    written: State
    joined: State
    write_cpu_s: float
    join_cpu_s: float


def main(
    fleet: Annotated[tuple[int, int, int], typer.Option(help="Devices, days, commits of the last day.")] = (
        30,
        30,
        288,
    ),
) -> None:
    """Measure every layout and print them side by side."""
    console = Console(width=150)
    devices, days, commits = fleet
    trials = []
    for layout in LAYOUTS:
        console.print(f"{layout.name} ...")
        with tempfile.TemporaryDirectory(prefix="millrace-bench-") as home:
            trials.append(_trial(Path(home), layout, Fleet(devices, _INTERVAL_S), days, commits))
    # The same rows, whatever the layout: an answer that differs would be no measurement.
    assert len({_answers(state) for trial in trials for state in (trial.written, trial.joined)}) == 1
    console.print(_shown(trials, fleet))


def _answers(state: State) -> tuple[int, ...]:
    return (state.device_day.rows, state.fleet_day.rows, state.device_month.rows)


def _trial(home: Path, layout: Layout, fleet: Fleet, days: int, commits: int) -> Trial:
    lake = _lake(home, layout)
    try:
        last_s = _FIRST_S + (days - 1) * DAY_S
        write_cpu_s = _fill(lake, fleet, last_s, commits)
        table = lake.load_table("iot.readings")
        written = _state(table, last_s)
        began_s = time.process_time()
        _join(table, Policy(target_bytes=Policy().target_bytes * fleet.devices // _FULL_FLEET))
        join_cpu_s = time.process_time() - began_s
        return Trial(layout, written, _state(table, last_s), write_cpu_s, join_cpu_s)
    finally:
        lake.close()


def _lake(home: Path, layout: Layout) -> SqlCatalog:
    place = {"uri": f"sqlite:///{home}/catalog.db", "warehouse": home.as_uri(), "schema_version": "v1"}
    lake = SqlCatalog("lake", **place)
    wanted = read_table(SCHEMAS / "tables" / "readings.sql")
    ids = {field.name: field.field_id for field in wanted.schema.fields}
    lake.create_namespace("iot")
    lake.create_table(
        wanted.name,
        wanted.schema,
        partition_spec=PartitionSpec(
            *(
                PartitionField(ids[column], 1000 + place, transform, f"{column}_{place}")
                for place, (column, transform) in enumerate(layout.partitions)
            )
        ),
        sort_order=SortOrder(
            *(
                SortField(ids[name], IdentityTransform(), null_order=NullOrder.NULLS_LAST)
                for name in layout.order
            )
        ),
        # As Flink's commits do it.
        properties=wanted.properties | {"commit.manifest-merge.enabled": "true"},
    )
    return lake


def _fill(lake: SqlCatalog, fleet: Fleet, last_s: int, commits: int) -> float:
    """Write all days; return the CPU seconds of writing and committing."""
    schema = lake.load_table("iot.readings").schema().as_arrow()
    older = spans(_FIRST_S, last_s, 4 * (last_s - _FIRST_S) // DAY_S)
    parts = [*older, *spans(last_s, last_s + DAY_S, commits)]
    cpu_s, offset = 0.0, 0
    for number, (begin, end) in enumerate(parts):
        written = write(lake, fleet.readings(begin, end, offset, schema), number)
        cpu_s, offset = cpu_s + written.cpu_s, offset + written.rows
    return cpu_s


def _join(table: Table, policy: Policy) -> None:
    # Days later, when everything is over and quiet.
    while compact(table, policy, now_ms() + 3 * DAY_S * 1000) != Compacted():
        pass


def _state(table: Table, last_s: int) -> State:
    table.refresh()
    files = live_files(table).files.values()
    day = Where("demo", last_s * 1000, (last_s + DAY_S) * 1000, frozenset({_DEVICE}))
    whole = day._replace(devices=None)
    snapshot = table.current_snapshot()
    assert snapshot is not None
    place = (table, snapshot)
    return State(
        len(files),
        len(planned(table, snapshot, whole)),
        sum(file.file_size_in_bytes for file in files),
        _timed(lambda: len(read_raw([place], day))),
        _timed(lambda: sum(len(rows) for rows in read_rows(table, snapshot, whole, ("metrics", "mark")))),
        _timed(lambda: len(read_raw([place], day._replace(from_ms=_FIRST_S * 1000)))),
    )


def _timed(ask: Callable[[], int]) -> Asked:
    cold, warm = [], []
    rows = 0
    for _ in range(_REPEATS):
        _forget()
        spent_ms, rows = _spent_ms(ask)
        cold.append(spent_ms)
        warm.append(_spent_ms(ask)[0])
    return Asked(min(cold), min(warm), rows)


def _spent_ms(ask: Callable[[], int]) -> tuple[float, int]:
    """Return the CPU of all threads and the answer: time on the wall would say how busy the machine is."""
    began_s = time.process_time()
    answer = ask()
    return (time.process_time() - began_s) * 1000, answer


def _forget() -> None:
    """Let the reader be as in a new process, which has read no metadata."""
    for kept in (snapshot_files._files, snapshot_files._listed, footers._kept):
        kept.__init__(kept._most_weight, kept._weigh)  # type: ignore[misc]


def _shown(trials: list[Trial], fleet: tuple[int, int, int]) -> Shown:
    devices, days, commits = fleet
    shown = Shown(
        title=f"{devices * days * DAY_S // _INTERVAL_S:,} readings: {devices} devices, {days} days, the last "
        f"in {commits} commits; CPU ms with no metadata read before / again",
        title_justify="left",
    )
    shown.add_column("layout")
    for column in (
        "files",
        "of the last day",
        "MB",
        "device-day ms",
        "fleet-day ms",
        "device-month ms",
        "CPU s",
    ):
        shown.add_column(column, justify="right")
    for trial in trials:
        shown.add_row(trial.layout.name, *_cells(trial.written), f"{trial.write_cpu_s:.0f} write")
        shown.add_row("  joined", *_cells(trial.joined), f"{trial.join_cpu_s:.0f} join")
    return shown


def _cells(state: State) -> list[str]:
    asked = (state.device_day, state.fleet_day, state.device_month)
    return [
        f"{state.files:,}",
        f"{state.day_files:,}",
        f"{state.size_bytes / 1e6:.1f}",
        *(f"{one.cold_ms:,.0f} / {one.warm_ms:,.0f}" for one in asked),
    ]


if __name__ == "__main__":
    typer.run(main)
