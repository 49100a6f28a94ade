"""The `write_panes` function of the jobs: a batch of 10 s panes into the hot tier, one pipeline."""

from typing import Any

import pandas as pd
from pyflink.table import DataTypes
from pyflink.table.udf import FunctionContext, ScalarFunction, udf
from redis import Redis

from jobs.runtime.hot_store import connect, write_ranges
from millrace.clock import now_ms
from millrace.settings import settings
from udfs.hot_writes import range_writes

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
        write_ranges(self._store, list(range_writes(panes, now_ms())))
        return pd.Series([0]).repeat(len(panes)).reset_index(drop=True)


FUNCTION = udf(WritePanes(), result_type=DataTypes.TINYINT(), func_type="pandas")
