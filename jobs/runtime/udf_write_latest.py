"""The `write_latest` function of the jobs: newest device states into the hot tier, one pipeline."""

import json
from typing import Any

import pandas as pd
from pyflink.table import DataTypes
from pyflink.table.udf import FunctionContext, ScalarFunction, udf
from redis import Redis
from redis.client import Pipeline
from redis.commands.core import Script

from jobs.runtime.hot_store import connect, write
from millrace.settings import settings
from udfs.hot_series import device_key, devices_key
from udfs.latest import NEWEST_WINS_LUA, metric_arguments, order_ms

_Row = tuple[str, str, int, int, str, float | None, float | None, float | None]


class WriteLatest(ScalarFunction):  # type: ignore[misc]
    """Updates device hashes; an older reading never replaces a newer one."""

    _store: Redis
    _script: Script

    def open(self, function_context: FunctionContext) -> None:
        """Connect once per worker."""
        self._store = connect(settings())
        self._script = self._store.register_script(NEWEST_WINS_LUA)

    def eval(self, *columns: "pd.Series[Any]") -> "pd.Series[int]":
        """Write one Arrow batch."""
        rows = list(zip(*(column.tolist() for column in columns), strict=True))
        write(self._store, lambda pipeline: _fill(pipeline, self._script, rows))
        return pd.Series([0]).repeat(len(rows)).reset_index(drop=True)


def _fill(pipeline: Pipeline, script: Script, rows: list[_Row]) -> None:
    newest: dict[tuple[str, str], int] = {}
    for tenant, device_id, event_time_ms, received_at_ms, metrics, *position in rows:
        arguments: list[str | int] = [
            event_time_ms,
            received_at_ms,
            _location(*position),
            order_ms(event_time_ms, received_at_ms),
            *metric_arguments(metrics),
        ]
        script(keys=[device_key(tenant, device_id)], args=arguments, client=pipeline)
        # Nobody was seen later than now, whatever a device says.
        seen_ms = min(event_time_ms, received_at_ms)
        newest[tenant, device_id] = max(seen_ms, newest.get((tenant, device_id), 0))
    for (tenant, device_id), seen_ms in newest.items():
        pipeline.zadd(devices_key(tenant), {device_id: seen_ms}, gt=True)
    for tenant in {tenant for tenant, _ in newest}:
        pipeline.sadd("tenants", tenant)


def _location(lat: float | None, lon: float | None, alt_m: float | None) -> str:
    if lat is None or lat != lat:  # Arrow hands a missing double to pandas as NaN
        return ""
    return json.dumps({"lat": lat, "lon": lon, "alt_m": None if alt_m != alt_m else alt_m})


FUNCTION = udf(WriteLatest(), result_type=DataTypes.TINYINT(), func_type="pandas")
