"""How long `/data` takes over history, asked of the real API process, beside a plain PyIceberg scan.

The lake's catalog is PostgreSQL, the last day lies in Redis; both are started here and gone afterwards.
"""

import random
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import httpx
import numpy as np
import pyarrow as pa
from pyiceberg.expressions import EqualTo, GreaterThanOrEqual, In, LessThan
from pyiceberg.table import Table
from redis import Redis
from rich.console import Console
from rich.table import Table as Shown

from bench.history_lake import (
    DAY_MS,
    MINUTE_MS,
    NAMES,
    TENANT,
    Size,
    fill_maintained,
    fill_redis,
    fill_unmaintained,
)
from catalog.filters import every, moment, predicate
from catalog.lake import load_lake
from catalog.tables import apply_tables
from millrace.clock import now_ms
from millrace.secrets import load_secrets
from millrace.settings import Settings
from tests.integration.own_services import end, own_services, start, until

_ASKED_DEVICES: Final = 50
_PEER_ROUNDS: Final = 3
_WARM_UP: Final = 3


class Question(NamedTuple):
    """What is asked: of `devices` devices at once, so many days back, in points of `step_ms`."""

    name: str
    goal_ms: float
    path: Callable[[list[str]], str]
    devices: int
    days: int
    step_ms: int
    rounds: int


class Latency(NamedTuple):
    """How long answers took, milliseconds."""

    p50_ms: float
    p99_ms: float
    worst_ms: float
    points: int


def _one(query: str) -> Callable[[list[str]], str]:
    return lambda devices: f"/data/{devices[0]}?metric={NAMES[0]}&{query}"


QUESTIONS: Final = (
    Question("24 h at 1 min", 20, _one("from=-24h&resolution=1m"), 1, 1, MINUTE_MS, 200),
    Question("30 days, auto", 300, _one("from=-30d"), 1, 30, 60 * MINUTE_MS, 100),
    Question(
        "50 devices x 7 days, auto",
        1000,
        lambda devices: f"/data?devices={','.join(devices)}&metrics={NAMES[0]}&from=-7d",
        _ASKED_DEVICES,
        7,
        10 * MINUTE_MS,
        30,
    ),
)


def history_latency(size: Size, console: Console) -> bool:
    """Make a lake, ask, print what it took; tell whether the goals were reached."""
    with tempfile.TemporaryDirectory() as folder, _served(Path(folder), size, console) as (config, peer):
        table = Shown(title=_title(size, peer), title_justify="left")
        for column in (
            "question",
            "points",
            "p50 ms",
            "p99 ms",
            "worst ms",
            "goal ms",
            "PyIceberg ms",
            "rows",
        ):
            table.add_column(column, justify="left" if column == "question" else "right")
        good = True
        for question in QUESTIONS:
            found = _asked(config, size, question)
            peer_ms, rows = _peer(peer, size, question)
            good &= found.p99_ms < question.goal_ms
            cells = (found.p50_ms, found.p99_ms, found.worst_ms, question.goal_ms, peer_ms)
            table.add_row(
                question.name, f"{found.points:,}", *(f"{cell:,.0f}" for cell in cells), f"{rows:,}"
            )
        console.print(table)
        return good


def _title(size: Size, peer: Table) -> str:
    files = len(peer.inspect.files())
    rows = size.devices * size.days * 1440 * size.metrics
    return (
        f"/data over {rows:,} minutes of {size.devices:,} devices and {size.days} days; PyIceberg scans the "
        f"newest {size.peer_days} days in {files:,} files"
    )


@contextmanager
def _served(folder: Path, size: Size, console: Console) -> Iterator[tuple[Settings, Table]]:
    with own_services(folder, "history-bench", "postgres", "redis") as config:
        with closing(load_lake(config)) as lake:
            apply_tables(lake)
            peer = _fill(config, lake, size, console)
        api = start(config, "api")
        try:
            until(lambda: _answers(config))
            yield config, peer
        finally:
            end(api)


def _fill(config: Settings, lake: Any, size: Size, console: Console) -> Table:
    began_s, at_ms = time.perf_counter(), now_ms()
    end_ms = at_ms // MINUTE_MS * MINUTE_MS
    table = lake.load_table(("iot", "rollups_1m"))
    fill_maintained(table, size, end_ms)
    peer = fill_unmaintained(lake, table, size, end_ms)
    password = load_secrets(config).redis.get_secret_value()
    with Redis(port=config.port("redis"), password=password) as client:
        fill_redis(client, size, _chosen(size), at_ms)
    console.print(f"filled in {time.perf_counter() - began_s:.0f} s")
    return peer


def _chosen(size: Size) -> list[str]:
    return random.Random(50).sample(size.names, min(_ASKED_DEVICES, size.devices))


def _answers(config: Settings) -> bool:
    try:
        return httpx.get(f"http://{config.address('api')}/health/live", trust_env=False).is_success
    except httpx.HTTPError:
        return False


def _asked(config: Settings, size: Size, question: Question) -> Latency:
    dice, devices = random.Random(1), _chosen(size)
    took_ms: list[float] = []
    points = 0
    with httpx.Client(base_url=f"http://{config.address('api')}", timeout=60, trust_env=False) as client:
        for place in range(_WARM_UP + question.rounds):
            path = question.path(dice.sample(devices, question.devices))
            began_s = time.perf_counter()
            reply = client.get(path)
            elapsed_ms = (time.perf_counter() - began_s) * 1000
            reply.raise_for_status()
            if place >= _WARM_UP:
                took_ms.append(elapsed_ms)
            points = reply.text.count('"count"')
    p50_ms, p99_ms, worst_ms = (float(each) for each in np.percentile(took_ms, [50, 99, 100]))
    return Latency(p50_ms, p99_ms, worst_ms, points)


def _peer(table: Table, size: Size, question: Question) -> tuple[float, int]:
    """Return the median of what a scan and the same aggregation take, and the rows it gave."""
    dice, devices = random.Random(2), _chosen(size)
    took_ms = []
    for _ in range(_PEER_ROUNDS):
        chosen = dice.sample(devices, question.devices)
        began_s = time.perf_counter()
        rows = _scan(table, chosen, now_ms() - question.days * DAY_MS)
        _aggregate(rows, question.step_ms)
        took_ms.append((time.perf_counter() - began_s) * 1000)
    return float(np.median(took_ms)), len(rows)


def _scan(table: Table, devices: list[str], from_ms: int) -> pa.Table:
    what = every(
        [
            predicate(In, "device_id", set(devices))
            if len(devices) > 1
            else predicate(EqualTo, "device_id", devices[0]),
            predicate(GreaterThanOrEqual, "window_start", moment(from_ms)),
            predicate(LessThan, "window_start", moment(now_ms())),
            predicate(EqualTo, "tenant", TENANT),
            predicate(EqualTo, "metric", NAMES[0]),
        ]
    )
    columns = ("device_id", "window_start", "min", "max", "sum", "count")
    table.refresh()
    return table.scan(what, columns).to_arrow()


def _aggregate(rows: pa.Table, step_ms: int) -> pa.Table:
    times_ms = rows["window_start"].cast(pa.int64()).to_numpy() // 1000
    stepped = rows.append_column("step", pa.array(times_ms // step_ms))
    return stepped.group_by(["device_id", "step"]).aggregate(
        [("min", "min"), ("max", "max"), ("sum", "sum"), ("count", "sum")]
    )
