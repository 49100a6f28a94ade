"""A lake of minutes made fast: as maintenance leaves it, and the same as the stream alone would leave it."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NamespaceAlreadyExistsError
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table
from redis import Redis

from bench.lake_writing import commit, data_files
from udfs.hot_series import HOUR_MS, PANE_MS, Pane, device_key, devices_key, pack, series_key

MINUTE_MS: Final = 60_000
DAY_MS: Final = 86_400_000
INTERVAL_MS: Final = 10_000
READINGS_A_MINUTE: Final = 6
NAMES: Final = ("temperature_c", "humidity_pct", "pressure_hpa")
TENANT: Final = "demo"
PEER: Final = ("peer", "rollups_1m")
# What maintenance writes where a table does not say otherwise (`catalog/maintenance/rewriting.py`).
ROWS_OF_A_GROUP: Final = 65_536
_FILES_AT_ONCE: Final = 100


class Size(NamedTuple):
    """How much is made: `commits` brought the last day of the unmaintained table, a file each."""

    devices: int
    days: int
    metrics: int
    peer_days: int
    commits: int

    @property
    def names(self) -> list[str]:
        """Return the devices' ids."""
        return [f"device-{place:05}" for place in range(self.devices)]


def minutes(size: Size, from_ms: int, to_ms: int, *, by_time: bool) -> pa.Table:
    """Return the minutes of all devices in [from_ms, to_ms): in the table's sort order, or by time."""
    shape = (size.devices, size.metrics, (to_ms - from_ms) // MINUTE_MS)
    device, metric, minute = np.indices(shape, dtype=np.int32)
    order = (2, 0, 1) if by_time else (0, 1, 2)
    device, metric, minute = (each.transpose(order).ravel() for each in (device, metric, minute))
    time_ms = from_ms + minute.astype(np.int64) * MINUTE_MS
    value = _value(device, metric, time_ms)
    spread = 0.1 + device % 7 / 20
    return pa.table(
        {
            "tenant": pa.DictionaryArray.from_arrays(pa.array(np.zeros(len(device), np.int32)), [TENANT]),
            "device_id": pa.DictionaryArray.from_arrays(pa.array(device), size.names),
            "metric": pa.DictionaryArray.from_arrays(pa.array(metric), list(NAMES[: size.metrics])),
            "window_start": pa.array(time_ms * 1000, pa.timestamp("us", "UTC")),
            "min": (value - spread).round(2),
            "max": (value + spread).round(2),
            "sum": (value * READINGS_A_MINUTE).round(2),
            "count": np.full(len(device), READINGS_A_MINUTE, np.int64),
            "first": (value - spread / 2).round(2),
            "last": (value + spread / 2).round(2),
            "late_count": np.zeros(len(device), np.int64),
            "revision": np.zeros(len(device), np.int32),
            "complete": np.ones(len(device), bool),
        }
    )


def _value(
    device: NDArray[np.int32], metric: NDArray[np.int32], time_ms: NDArray[np.int64]
) -> NDArray[np.float64]:
    phase = time_ms % DAY_MS / DAY_MS * 2 * np.pi + device
    noise = (time_ms // MINUTE_MS * 7919 + device * 104_729) % 1000 / 1000
    wave: NDArray[np.float64] = 20 + 10 * metric + 5 * np.sin(phase) + noise
    return wave


def fill_maintained(table: Table, size: Size, end_ms: int) -> None:
    """Write one file a day, in the table's sort order, as maintenance leaves a month that still goes on."""
    with table.transaction() as change:
        change.set_properties({"write.parquet.row-group-limit": str(ROWS_OF_A_GROUP)} | table.properties)
    for from_ms, to_ms in _days(end_ms - size.days * DAY_MS, end_ms):
        _append(table, minutes(size, from_ms, to_ms, by_time=False))


def fill_unmaintained(lake: Catalog, like: Table, size: Size, end_ms: int) -> Table:
    """Write the same by time: older days an hour per commit, the last day in many."""
    with suppress(NamespaceAlreadyExistsError):
        lake.create_namespace(PEER[0])
    table = lake.create_table(PEER, like.schema(), partition_spec=like.spec(), properties=like.properties)
    day_ms = end_ms - DAY_MS
    step_ms = max(1, DAY_MS // size.commits // MINUTE_MS) * MINUTE_MS
    spans = [*_steps(end_ms - size.peer_days * DAY_MS, day_ms, HOUR_MS), *_steps(day_ms, end_ms, step_ms)]
    schema, pending = table.schema().as_arrow(), list[DataFile]()
    for number, (from_ms, to_ms) in enumerate(spans, 1):
        pending += data_files(table, minutes(size, from_ms, to_ms, by_time=True).cast(schema))
        # Many files a commit: its metadata is only the better for it.
        if len(pending) >= _FILES_AT_ONCE or number == len(spans):
            commit(table, pending, number)
            pending = []
    return table


def _append(table: Table, rows: pa.Table) -> None:
    table.append(rows.cast(table.schema().as_arrow()))


def _days(from_ms: int, to_ms: int) -> Iterator[tuple[int, int]]:
    edge_ms = from_ms - from_ms % DAY_MS
    while edge_ms < to_ms:
        yield max(from_ms, edge_ms), min(to_ms, edge_ms + DAY_MS)
        edge_ms += DAY_MS


def _steps(from_ms: int, to_ms: int, step_ms: int) -> Iterator[tuple[int, int]]:
    for start_ms in range(from_ms, to_ms, step_ms):
        yield start_ms, min(start_ms + step_ms, to_ms)


def fill_redis(client: Redis, size: Size, devices: list[str], now_ms: int) -> None:
    """Write the last 25 hours of some devices, all metrics, in 10 s panes."""
    panes = b"".join(pack(_pane(place)) for place in range(HOUR_MS // PANE_MS))
    for device_id in devices:
        for metric in NAMES[: size.metrics]:
            for hour in range(25):
                client.set(series_key(TENANT, device_id, metric, now_ms - hour * HOUR_MS), panes)
        latest = dict.fromkeys(NAMES[: size.metrics], f"{now_ms} 20.5")
        client.hset(device_key(TENANT, device_id), mapping={"@event_time": str(now_ms), **latest})
        client.zadd(devices_key(TENANT), {device_id: now_ms})


def _pane(place: int) -> Pane:
    value = 20 + place % 50 / 10
    return Pane(place * PANE_MS, 1, value, value, value, value, value)
