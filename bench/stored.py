"""What a running stack holds of one trial's devices: rows of the lake, panes of Redis."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pyarrow as pa

from catalog.lake import load_lake
from millrace.secrets import load_secrets
from millrace.settings import Settings
from udfs.hot_series import series_key, unpack_hour

_LOOK_EVERY_S = 2.0


def stored(settings: Settings, table: str, prefix: str, *columns: str) -> pa.Table:
    """Return the rows of an Iceberg table whose device id starts with `prefix`."""
    scan = (
        load_lake(settings)
        .load_table(table)
        .scan(row_filter=f"device_id LIKE '{prefix}%'", selected_fields=columns or ("*",))
    )
    rows: pa.Table = scan.to_arrow()
    return rows


def stored_readings(settings: Settings, prefix: str, *columns: str) -> pa.Table:
    """Return the rows of iot.readings whose device id starts with `prefix`."""
    return stored(settings, "iot.readings", prefix, *columns)


def wait_until(
    look: Callable[[], tuple[int, ...]],
    wanted: tuple[int, ...],
    patience_s: float,
    report: Callable[[tuple[int, ...]], None] = lambda _found: None,
) -> float:
    """Look until what is wanted is there, or nothing moved for `patience_s`; return how long that took."""
    began = moved = time.monotonic()
    before: tuple[int, ...] = ()
    while before != wanted and time.monotonic() - moved < patience_s:
        looked = time.monotonic()
        found = look()
        moved = moved if found == before else time.monotonic()
        before = found
        report(found)
        # Looking costs processor time the stack needs: never more than a quarter of it.
        time.sleep(max(_LOOK_EVERY_S, 3 * (time.monotonic() - looked)))
    return time.monotonic() - began


def stored_panes(settings: Settings, series: list[tuple[str, str, int]], oldest_ms: int) -> pa.Table:
    """Return the panes Redis holds of (device, metric, hour) series, from `oldest_ms` on, as windows."""
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
            text: Any = client.get(series_key(settings.tenant, device_id, metric, hour_ms))
            for pane in unpack_hour(hour_ms, text or b""):
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
