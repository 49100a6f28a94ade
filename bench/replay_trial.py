"""One replay through a running stack, and what its tables and Redis must hold afterwards."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pyarrow as pa

from catalog.lake import load_lake
from millrace.clock import now_ms
from millrace.errors import MillraceError
from millrace.secrets import load_secrets
from millrace.settings import ROOT, Settings
from tests.oracle.compare import count, reading_differences, window_differences
from tests.oracle.expected import DATA_SETS, Sent, expect, expect_windows, files_of
from udfs.hot_series import HOUR_MS, PANE_MS, hour_start, series_key, unpack_hour

MINUTE_MS = 60_000
KEPT_MS = 24 * HOUR_MS
_LOOK_EVERY_S = 2.0


class Trial(NamedTuple):
    """What is replayed, how, and how many times; `compress` None keeps event time."""

    dataset: str
    via: str
    compress: int | None = None
    limit: int | None = None
    times: int = 1


class Outcome(NamedTuple):
    """Figures of a trial and every difference found."""

    replay: dict[str, Any]
    readings: int
    duplicates: int
    late: int
    windows: int
    panes: int
    settled_s: float
    differences: list[str]


def data_folder() -> Path:
    """Return where the recorded data lie: `DATA_FOLDER`, or beside the checkout."""
    return Path(os.environ.get("DATA_FOLDER", ROOT.parent / "shared" / "data"))


def run_trial(
    settings: Settings,
    trial: Trial,
    *,
    patience_s: float,
    meanwhile: Callable[[int], None] = lambda _rows: None,
) -> Outcome:
    """Replay, wait until the tables stand still, compare; `meanwhile` gets the rows to come while it runs."""
    files = files_of(data_folder(), trial.dataset)
    prefix = f"r{now_ms():x}-"
    with closing(duckdb.connect()) as connection:
        for _ in range(trial.times):
            summary = _replay(settings, trial, files, prefix, meanwhile)
        sent = Sent(
            prefix,
            summary["tag"],
            summary["start_ms"] if summary["tag"] else None,
            summary["compress"],
            trial.limit,
        )
        expect(connection, trial.dataset, files, sent)
        settled_s = _wait(settings, connection, prefix, patience_s)
        return _compare(settings, connection, summary, settled_s)


def _replay(
    settings: Settings, trial: Trial, files: list[Path], prefix: str, meanwhile: Callable[[int], None]
) -> dict[str, Any]:
    options = ["--via", trial.via, "--speed", "max", "--device-prefix", prefix, "--json"]
    options += ["--compress", str(trial.compress)] if trial.compress else []
    options += ["--limit", str(trial.limit)] if trial.limit else []
    command = [sys.executable, "-m", "millrace.cli", "replay", *map(str, files)]
    command += ["--mapping", DATA_SETS[trial.dataset].mapping, *options]
    environment = {**os.environ, **settings.environment()}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        meanwhile(trial.limit or _lines(trial, files))
        output, errors = process.communicate()
    if process.returncode:
        raise MillraceError(f"the replay failed: {output} {errors[-2000:]}", where=" ".join(command[:5]))
    summary: dict[str, Any] = json.loads(output)
    return summary


def _lines(trial: Trial, files: list[Path]) -> int:
    # Rows of the largest stations' files, near enough to find the middle of a replay.
    return {"air-quality": 35_064, "skab": 1_135, "nab": 22_695}[trial.dataset] * len(files)


def stored_readings(settings: Settings, prefix: str, *columns: str) -> pa.Table:
    """Return the rows of iot.readings whose device id starts with `prefix`."""
    return _stored(settings, "iot.readings", prefix, columns)


def _stored(settings: Settings, table: str, prefix: str, columns: tuple[str, ...]) -> pa.Table:
    scan = (
        load_lake(settings)
        .load_table(table)
        .scan(row_filter=f"device_id LIKE '{prefix}%'", selected_fields=columns or ("*",))
    )
    stored: pa.Table = scan.to_arrow()
    return stored


def _wait(settings: Settings, connection: duckdb.DuckDBPyConnection, prefix: str, patience_s: float) -> float:
    """Wait until both tables hold what is expected, or have not moved for `patience_s`."""
    wanted = (count(connection, "expected_readings"), count(connection, "expected_points"))
    began = moved = time.monotonic()
    before = (-1, -1)
    while before != wanted and time.monotonic() - moved < patience_s:
        looked = time.monotonic()
        found = (_distinct(settings, connection, prefix), _counted(settings, connection, prefix))
        moved = moved if found == before else time.monotonic()
        before = found
        # Looking costs processor time the stack needs: never more than a quarter of it.
        time.sleep(max(_LOOK_EVERY_S, 3 * (time.monotonic() - looked)))
    settled_s = time.monotonic() - began
    # What comes too much (a repeated row, a wrong correction) comes with the next checkpoint.
    time.sleep(settings.flink.checkpoint_interval_ms / 1000 + _LOOK_EVERY_S)
    connection.register("actual_readings", stored_readings(settings, prefix))
    connection.register("actual_windows", _stored(settings, "iot.rollups_1m", prefix, ()))
    return settled_s


def _distinct(settings: Settings, connection: duckdb.DuckDBPyConnection, prefix: str) -> int:
    connection.register("looked", stored_readings(settings, prefix, "device_id", "event_id", "mark"))
    return count(connection, "(SELECT DISTINCT device_id, event_id FROM looked WHERE mark <> 'duplicate')")


def _counted(settings: Settings, connection: duckdb.DuckDBPyConnection, prefix: str) -> int:
    columns = ("device_id", "metric", "window_start", "revision", "count")
    connection.register("looked", _stored(settings, "iot.rollups_1m", prefix, columns))
    row = connection.execute(
        "SELECT coalesce(sum(newest), 0) FROM (SELECT arg_max(count, revision) AS newest "
        "FROM looked GROUP BY device_id, metric, window_start)"
    ).fetchone()
    return int(row[0]) if row else 0


def _compare(
    settings: Settings, connection: duckdb.DuckDBPyConnection, summary: dict[str, Any], settled_s: float
) -> Outcome:
    differences = [f"iot.readings: {line}" for line in reading_differences(connection)]
    expect_windows(connection, MINUTE_MS)
    differences += [f"iot.rollups_1m: {line}" for line in window_differences(connection)]
    windows = count(connection, "expected_windows")
    panes = _compare_panes(settings, connection, differences)
    return Outcome(
        replay=summary,
        readings=count(connection, "actual_readings"),
        duplicates=count(connection, "(FROM actual_readings WHERE mark = 'duplicate')"),
        late=count(connection, "(FROM actual_readings WHERE mark = 'late')"),
        windows=windows,
        panes=panes,
        settled_s=round(settled_s, 1),
        differences=differences,
    )


def _compare_panes(settings: Settings, connection: duckdb.DuckDBPyConnection, differences: list[str]) -> int:
    """Compare what Redis keeps of the last 24 h; return how many panes were expected."""
    expect_windows(connection, PANE_MS)
    oldest_ms = hour_start(now_ms() - KEPT_MS) + HOUR_MS
    connection.execute("DELETE FROM expected_windows WHERE window_start_ms < ?", [oldest_ms])
    expected = count(connection, "expected_windows")
    if expected:
        connection.unregister("actual_windows")
        connection.register("actual_windows", _panes(settings, connection, oldest_ms))
        differences += [f"Redis panes: {line}" for line in window_differences(connection)]
    return expected


def _panes(settings: Settings, connection: duckdb.DuckDBPyConnection, oldest_ms: int) -> pa.Table:
    series = connection.execute(
        "SELECT DISTINCT device_id, metric, window_start_ms - window_start_ms % ? FROM expected_windows",
        [HOUR_MS],
    ).fetchall()
    rows = [row for row in _read_panes(settings, series) if row["window_start"] >= oldest_ms * 1000]
    schema = pa.schema(
        [("device_id", pa.string()), ("metric", pa.string()), ("window_start", pa.timestamp("us", "UTC"))]
        + [(name, pa.float64()) for name in ("min", "max", "sum", "first", "last")]
        + [("count", pa.int64()), ("revision", pa.int32())]
    )
    return pa.Table.from_pylist(rows, schema=schema)


def _read_panes(settings: Settings, series: list[tuple[str, str, int]]) -> Iterator[dict[str, Any]]:
    import redis

    password = load_secrets(settings).redis.get_secret_value()
    with closing(redis.Redis(settings.bind_host, settings.port("redis"), password=password)) as client:
        for device_id, metric, hour_ms in series:
            stored: Any = client.get(series_key(settings.tenant, device_id, metric, hour_ms))
            for pane in unpack_hour(hour_ms, stored or b""):
                yield {
                    "device_id": device_id,
                    "metric": metric,
                    "window_start": pane.start_ms * 1000,
                    "min": pane.minimum,
                    "max": pane.maximum,
                    "sum": pane.total,
                    "first": pane.first,
                    "last": pane.last,
                    "count": pane.readings,
                    "revision": 0,
                }
