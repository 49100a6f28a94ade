"""The same readings in a lake that is maintained and in one that is not (`bench --only maintenance`).

The days before the last are written an hour a commit, the last in many commits, as 10 s checkpoints do. A
maintainer passes over one lake between the commits; the other gets the same files by a second name. Commits
follow each other faster than time, so its snapshots are kept for as many commits as an hour has.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

import duckdb
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.expressions import BooleanExpression, EqualTo, GreaterThanOrEqual, LessThan
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table
from rich.console import Console
from rich.progress import track
from rich.table import Table as Shown

from bench.lake_writing import DAY_S, Fleet, commit, hours, linked, open_lake, spans, write
from catalog.filters import every, moment, predicate
from catalog.maintenance.__main__ import PASS_EVERY_S
from catalog.maintenance.expiry import Keeping
from catalog.maintenance.passes import Maintainer
from catalog.maintenance.plan import Policy
from millrace.clock import now_ms

CHECKPOINT_S: Final = 10
COMMITS_AN_HOUR: Final = 3_600 // CHECKPOINT_S
_GOALS: Final = {"files": 10.0, "scan": 3.0, "cpu": 0.15}
_FILES_AT_ONCE: Final = 100
_REPEATS: Final = 3


class Effort(NamedTuple):
    """CPU seconds of writing and of maintenance during the last day, rows and passes."""

    writer_cpu_s: float
    maintainer_cpu_s: float
    older_cpu_s: float
    rows: int
    passes: int
    most_files: int


class Scans(NamedTuple):
    """Data files of the last day, and seconds (best of some) of three scans."""

    files: int
    device_day_s: float
    device_day_pyiceberg_s: float
    whole_day_s: float


class _Trial:
    def __init__(self, home: Path, fleet: Fleet, days: int, commits: int, console: Console) -> None:
        self.fleet, self.days, self.commits, self._console = fleet, days, commits, console
        self.kept, self.left = open_lake(home / "kept"), open_lake(home / "left")
        self._links = home / "left" / "data"
        self._links.mkdir()
        self.offset = self.checkpoint = self.number = 0
        # Today, so that the day is not over until the trial says so.
        self.last_s = now_ms() // 1000 // DAY_S * DAY_S
        self.keeping = Keeping(all_ms=60_000, every_ms=10_000)
        self._pending: list[DataFile] = []

    def fill(self) -> float:
        """Write the days before the last; return what their first maintenance took (CPU s)."""
        first_s = self.last_s - (self.days - 1) * DAY_S
        older = list(hours(first_s, self.last_s))
        for begin, end in track(older, "days before", console=self._console):
            self._write(begin, end)
        maintainer = self._maintainer()
        began_s = time.process_time()
        while True:
            maintainer.run_pass(now_ms(), ["iot.readings"])
            if not maintainer.has_more:
                return time.process_time() - began_s

    def last_day(self) -> Effort:
        """Write the last day with passes in between, and one when the day is over."""
        writer_s, rows, passes, most = 0.0, 0, 0, 0
        older_s = self.fill()
        maintainer = self._maintainer()
        spent_s = 0.0
        every_commits = max(1, int(PASS_EVERY_S) // CHECKPOINT_S)
        commits = list(spans(self.last_s, self.last_s + DAY_S, self.commits))
        for number, (begin, end) in enumerate(track(commits, "last day", console=self._console), 1):
            written = self._write(begin, end)
            writer_s, rows = writer_s + written[0], rows + written[1]
            if number % every_commits == 0:
                began_s = time.process_time()
                report = maintainer.run_pass(now_ms(), ["iot.readings"])
                spent_s += time.process_time() - began_s
                most = max(most, report.tables["iot.readings"].fitness.most_files)
                passes += 1
        began_s = time.process_time()
        # Some hours after midnight.
        maintainer.run_pass((self.last_s + DAY_S) * 1000 + 6 * 3_600_000, ["iot.readings"])
        spent_s += time.process_time() - began_s
        self._hand_over(everything=True)
        return Effort(writer_s, spent_s, older_s, rows, passes + 1, most)

    def _maintainer(self) -> Maintainer:
        return Maintainer(self.kept, None, lambda: None, Policy(), self.keeping)

    def _write(self, begin: int, end: int) -> tuple[float, int]:
        schema = self.kept.load_table("iot.readings").schema().as_arrow()
        readings = self.fleet.readings(begin, end, self.offset, schema)
        self.offset += readings.num_rows
        self.checkpoint += 1
        written = write(self.kept, readings, self.checkpoint)
        for file in written.files:
            self.number += 1
            self._pending.append(linked(file, self._links, self.number))
        self._hand_over(everything=False)
        return written.cpu_s, written.rows

    def _hand_over(self, *, everything: bool) -> None:
        """Commit to the other lake too: many files at once, which only makes its metadata better."""
        if self._pending and (everything or len(self._pending) >= _FILES_AT_ONCE):
            commit(self.left.load_table("iot.readings"), self._pending, self.checkpoint)
            self._pending = []


def scans(lake: SqlCatalog, from_s: int, device: str) -> Scans:
    """Time scans of one day: load the table, plan by metadata, read."""
    span = [
        predicate(GreaterThanOrEqual, "event_time", moment(from_s * 1000)),
        predicate(LessThan, "event_time", moment((from_s + DAY_S) * 1000)),
    ]
    one = every([*span, predicate(EqualTo, "device_id", device)])

    def table() -> Table:
        return lake.load_table("iot.readings")

    def by_duckdb(condition: BooleanExpression, where: str) -> None:
        paths = [task.file.file_path for task in table().scan(condition).plan_files()]
        query = (
            "SELECT count(*), avg(metrics['temperature_c']) FROM read_parquet(?) WHERE "
            f"event_time >= to_timestamp({from_s}) AND event_time < to_timestamp({from_s + DAY_S}) {where}"
        )
        with duckdb.connect() as connection:
            connection.execute(query, [[path.removeprefix("file://") for path in paths]]).fetchall()

    files = len(list(table().scan(every(span)).plan_files()))
    return Scans(
        files,
        _best(lambda: by_duckdb(one, f"AND device_id = '{device}'")),
        _best(lambda: table().scan(one, ("event_time", "metrics")).to_arrow()),
        _best(lambda: by_duckdb(every(span), "")),
    )


def _best(ask: Callable[[], object]) -> float:
    took = []
    for _ in range(_REPEATS):
        began_s = time.perf_counter()
        ask()
        took.append(time.perf_counter() - began_s)
    return min(took)


def measure_maintenance(console: Console, devices: int, days: int, commits: int) -> bool:
    """Print both lakes side by side; tell whether the goals were reached."""
    fleet = Fleet(devices, CHECKPOINT_S)
    console.print(
        f"maintenance: {days} days of {devices:,} devices at 10 s, the last in {commits:,} commits ..."
    )
    with tempfile.TemporaryDirectory(prefix="millrace-bench-") as home:
        trial = _Trial(Path(home), fleet, days, commits, console)
        effort = trial.last_day()
        with_, without = (scans(lake, trial.last_s, "device-00007") for lake in (trial.kept, trial.left))
        console.print(_table(effort, with_, without))
        for lake in (trial.kept, trial.left):
            lake.close()
    return (
        without.files / with_.files >= _GOALS["files"]
        and min(_ratios(with_, without)) >= _GOALS["scan"]
        and effort.maintainer_cpu_s / effort.writer_cpu_s <= _GOALS["cpu"]
    )


def _ratios(with_: Scans, without: Scans) -> list[float]:
    return [much / little for much, little in zip(without[1:], with_[1:], strict=True)]


def _table(effort: Effort, with_: Scans, without: Scans) -> Shown:
    shown = Shown(title=f"the last day, {effort.rows:,} readings", title_justify="left")
    for column in ("", "without", "with", "ratio"):
        shown.add_column(column, justify="right" if column else "left")
    shown.add_row("files", f"{without.files:,}", f"{with_.files:,}", f"{without.files / with_.files:,.0f}x")
    words = ("a device's day, DuckDB, s", "a device's day, PyIceberg, s", "the whole day, DuckDB, s")
    for name, much, little in zip(words, without[1:], with_[1:], strict=True):
        shown.add_row(name, f"{much:.3f}", f"{little:.3f}", f"{much / little:,.1f}x")
    share = effort.maintainer_cpu_s / effort.writer_cpu_s
    shown.caption = (
        f"CPU: writer {effort.writer_cpu_s:.0f} s, maintenance {effort.maintainer_cpu_s:.1f} s in "
        f"{effort.passes:,} passes ({share:.1%}); at most {effort.most_files} files at a time.\n"
        f"Days before: {effort.older_cpu_s:.1f} s once. Goals: files 10x, scans 3x, CPU 15 %."
    )
    return shown
