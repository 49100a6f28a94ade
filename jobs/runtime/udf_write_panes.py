"""The `write_panes` function of the jobs: a batch of 10 s panes into the hot tier, one pipeline."""

from typing import Any

import pandas as pd
from pyflink.table import DataTypes
from pyflink.table.udf import FunctionContext, ScalarFunction, udf
from redis import Redis
from redis.client import Pipeline

from jobs.runtime.hot_store import connect, write
from millrace.clock import now_ms
from millrace.settings import settings
from udfs.hot_writes import RangeWrite, range_writes

_COLUMNS = (
    "tenant", "device_id", "metric", "start_ms", "readings", "minimum", "maximum", "total", "first", "last",
)  # fmt: skip


class WritePanes(ScalarFunction):  # type: ignore[misc]
    """Lays panes into their slots; the same pane again changes nothing."""

    _store: Redis

    def open(self, function_context: FunctionContext) -> None:
        """Connect once per worker."""
        self._store = connect(settings())

    def eval(self, *columns: "pd.Series[Any]") -> "pd.Series[int]":
        """Write one Arrow batch."""
        panes = pd.DataFrame(dict(zip(_COLUMNS, columns, strict=True)))
        panes["start_ms"] = panes["start_ms"].astype("datetime64[ms]").astype("int64")
        writes = list(range_writes(panes, now_ms()))
        if writes:
            write(self._store, lambda pipeline: _fill(pipeline, writes))
        return pd.Series([0]).repeat(len(panes)).reset_index(drop=True)


def _fill(pipeline: Pipeline, writes: list[RangeWrite]) -> None:
    for place in writes:
        pipeline.setrange(place.key, place.offset, place.slots)
    for key, expires_at_ms in {place.key: place.expires_at_ms for place in writes}.items():
        pipeline.pexpireat(key, expires_at_ms)


FUNCTION = udf(WritePanes(), result_type=DataTypes.TINYINT(), func_type="pandas")
