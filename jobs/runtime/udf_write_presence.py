"""The `write_presence` function of the jobs: states of devices into the hot tier, one pipeline."""

from typing import Any

import pandas as pd
from pyflink.table import DataTypes
from pyflink.table.udf import FunctionContext, ScalarFunction, udf
from redis import Redis
from redis.client import Pipeline

from jobs.runtime.hot_store import connect, write
from millrace.settings import settings
from udfs.hot_series import device_key
from udfs.presence_fields import KEEP_MS, Value, presence_fields

_Row = tuple[str, str, *tuple[Value, ...]]


class WritePresence(ScalarFunction):  # type: ignore[misc]
    """Lays the state of a device into its hash; what is not known is no field."""

    _store: Redis

    def open(self, function_context: FunctionContext) -> None:
        """Connect once per worker."""
        self._store = connect(settings())

    def eval(self, *columns: "pd.Series[Any]") -> "pd.Series[int]":
        """Write one Arrow batch."""
        rows: list[_Row] = list(zip(*(column.tolist() for column in columns), strict=True))
        write(self._store, lambda pipeline: _fill(pipeline, rows))
        return pd.Series([0]).repeat(len(rows)).reset_index(drop=True)


def _fill(pipeline: Pipeline, rows: list[_Row]) -> None:
    for tenant, device_id, *state in rows:
        key = device_key(tenant, device_id)
        known, unknown = presence_fields(*state)
        pipeline.hset(key, mapping=known)
        if unknown:
            pipeline.hdel(key, *unknown)
        pipeline.pexpire(key, KEEP_MS)


FUNCTION = udf(WritePresence(), result_type=DataTypes.TINYINT(), func_type="pandas")
