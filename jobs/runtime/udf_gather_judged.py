"""The `gather_judged` function of the jobs: Arrow batches of the log in, one text per shard out."""

import json
from collections import defaultdict
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pyflink.table import DataTypes
from pyflink.table.udf import FunctionContext, ScalarFunction, udf

from jobs.runtime.event_clock import TOLD_BY
from jobs.runtime.log_history import read_history
from jobs.runtime.udf_classify import TOPIC
from jobs.runtime.udf_gather import MARKED
from millrace.settings import settings
from millrace.unregistered import DEFAULT_PROFILE
from udfs.arrivals import shard_of
from udfs.fingerprint import fingerprints
from udfs.latest import metric_arguments
from udfs.rules.arrived import Arrived, ArrivedContext, ArrivedMark, ArrivedRule, by_shard, encode
from udfs.verdict import DUPLICATE, Batch, Classifier

COLUMNS = (
    "topic", "owner", "identity", "event_time_ms", "partition", "offset", "log_time", "metrics", "lat", "lon",
    "told",
)  # fmt: skip
CLOCK = "telemetry.clock"
_READING = ("owner", "event_time_ms", "log_time", "metrics", "lat", "lon")
_Shards = defaultdict[int, Arrived]


class GatherJudged(ScalarFunction):  # type: ignore[misc]
    """Lays all that a batch brings to a shard together; the texts stand on the last row of the batch."""

    _classifier: Classifier
    _shards: int
    _out_of_orderness_ms: int

    def open(self, function_context: FunctionContext) -> None:
        """Start with an empty memory of duplicates; it is read back from the log at the first batch."""
        self._classifier = Classifier(partial(read_history, settings().address("kafka"), TOPIC))
        self._shards = settings().rules.shards
        self._out_of_orderness_ms = settings().telemetry.out_of_orderness_ms

    def eval(self, *columns: "pd.Series[Any]") -> "pd.Series[Any]":
        """Gather one Arrow batch."""
        rows = pd.DataFrame(dict(zip(COLUMNS, columns, strict=True)))
        rows["log_time"] = rows["log_time"].to_numpy("datetime64[ms]").astype(np.int64)
        shards: _Shards = defaultdict(Arrived)
        readings = rows[rows["topic"] == TOPIC]
        if len(readings):
            self._take_readings(readings, shards)
        # Marks of the clock's other partitions only move watermarks.
        told = rows[(rows["topic"] != TOPIC) & ((rows["topic"] != CLOCK) | (rows["partition"] == TOLD_BY))]
        if len(told):
            self._take_notices(told, shards)
        laid: list[list[str] | None] = [None] * len(rows)
        laid[-1] = [f"{shard} {encode(arrived)}" for shard, arrived in shards.items()]
        return pd.Series(laid, dtype=object)

    def _take_readings(self, rows: pd.DataFrame, shards: _Shards) -> None:
        devices = fingerprints(rows["owner"])
        batch = Batch(
            messages=fingerprints(rows["identity"]),
            devices=devices,
            event_times_ms=rows["event_time_ms"].to_numpy(np.int64),
            partitions=rows["partition"].to_numpy(np.int64),
            offsets=rows["offset"].to_numpy(np.int64),
            log_times_ms=rows["log_time"].to_numpy(np.int64),
        )
        first = self._classifier.verdicts(batch) != DUPLICATE
        columns = [_values(rows[name])[first] for name in _READING]
        for shard, ones in by_shard(shard_of(devices[first], self._shards), columns):
            shards[shard].readings = ones

    def _take_notices(self, rows: pd.DataFrame, shards: _Shards) -> None:
        places = shard_of(fingerprints(rows["owner"]), self._shards).tolist()
        columns = (
            rows[name].tolist() for name in ("topic", "owner", "event_time_ms", "log_time", "metrics", "told")
        )
        for shard, topic, owner, event_time_ms, log_time_ms, metrics, told in zip(
            places, *columns, strict=True
        ):
            if topic == "rules":
                rules = [] if owner == MARKED else [_rule(owner, log_time_ms, metrics, json.loads(told))]
                for every in range(self._shards):
                    shards[every].rules += rules
                    shards[every].rules_read_ms = log_time_ms
            elif topic == "device-context":
                if owner != MARKED:
                    shards[shard].contexts.append(_context(owner, json.loads(told)))
            else:
                mark = ArrivedMark(event_time_ms - self._out_of_orderness_ms, log_time_ms)
                for every in range(self._shards):
                    shards[every].mark = max(mark, shards[every].mark or mark)


def _values(column: "pd.Series[Any]") -> npt.NDArray[Any]:
    """Return a column as it goes into a text; a missing number is nothing."""
    values: npt.NDArray[Any] = column.to_numpy()
    if values.dtype.kind == "f":
        missing = np.isnan(values)
        values = values.astype(object)
        values[missing] = None
    return values


def _context(owner: str, told: dict[str, Any]) -> ArrivedContext:
    tags = json.loads(told["tags"] or "[]")
    counters = json.loads(told.get("counters") or "[]")
    profile, registered_ms = told["profile"] or DEFAULT_PROFILE, max(0, int(told["registered_ms"] or 0))
    site = told["site"] or ""
    return ArrivedContext(owner, site, profile, tuple(tags), registered_ms, tuple(counters))


def _rule(owner: str, log_time_ms: int, metrics: str, told: dict[str, str | None]) -> ArrivedRule:
    tenant, _, name = owner.partition("/")
    _, version = metric_arguments(metrics)
    state, definition = told["state"] or "deleted", told["rule"] or ""
    return ArrivedRule(tenant, name, int(float(version)), log_time_ms, state, definition)


FUNCTION = udf(GatherJudged(), result_type=DataTypes.ARRAY(DataTypes.STRING()), func_type="pandas")
