"""The `gather` function of the jobs: Arrow batches of the log in, a few texts per shard and pane out."""

import json
from collections import defaultdict
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from pyflink.table import DataTypes
from pyflink.table.udf import FunctionContext, ScalarFunction, udf

from jobs.runtime.event_clock import TOLD_BY, Ends, ends_of
from jobs.runtime.log_history import read_history
from jobs.runtime.pauses import LONGEST_STEP_MS
from jobs.runtime.udf_classify import TOPIC
from millrace.reading import MARK_KEY
from millrace.settings import settings
from millrace.unregistered import DEFAULT_EXPECTED_INTERVAL_MS, DEFAULT_OFFLINE_AFTER_MS, DEFAULT_PROFILE
from udfs.arrivals import PANE_MS, Gathered, Readings, activities, encode, read_offsets, shard_of
from udfs.device_state import Context, Signal, Tick
from udfs.fingerprint import fingerprints
from udfs.verdict import DUPLICATE, Batch, Classifier

COLUMNS = (
    "topic", "owner", "identity", "event_time_ms", "received_at_ms", "partition", "offset", "log_time",
    "sequence", "battery", "signal", "notice",
)  # fmt: skip
# What the clock's marks are of, on topics that hold other records too.
MARKED = MARK_KEY.decode()
_NOTICES = ("topic", "owner", "event_time_ms", "received_at_ms", "partition", "log_time", "notice")


class _Groups:
    """What a batch brings, by pane of the log: to each shard, and to all of them."""

    def __init__(self, shards: int) -> None:
        self.shards = shards
        self.own: defaultdict[tuple[int, int], Gathered] = defaultdict(Gathered)
        self.every: defaultdict[int, Gathered] = defaultdict(Gathered)

    def texts(self) -> Iterator[tuple[int, list[str]]]:
        """Yield each pane (ms) and its texts, each behind its shard; what all are told is written once."""
        panes: defaultdict[int, dict[int, str]] = defaultdict(dict)
        for (pane_ms, shard), gathered in self.own.items():
            panes[pane_ms][shard] = f"{shard} {encode(gathered)}"
        for pane_ms in panes.keys() - self.every.keys():
            yield pane_ms, list(panes[pane_ms].values())
        for pane_ms, gathered in self.every.items():
            told, own = encode(gathered), panes[pane_ms]
            shards = range(self.shards)
            yield pane_ms, [f"{own[n]},{told}" if n in own else f"{n} {told}" for n in shards]


class Gather(ScalarFunction):  # type: ignore[misc]
    """Turns readings into activities, marks of the clock into ticks, and lays all of a shard together.

    The texts of a pane, each behind its shard, stand on the last row of that pane in the batch. With what was
    read every shard is told how far that was: nothing is remembered from batch to batch, so nothing is left
    untold when the job starts again.
    """

    _classifier: Classifier
    _shards: int
    _out_of_orderness_ms: int

    def open(self, function_context: FunctionContext) -> None:
        """Start with an empty memory of duplicates; it is read back from the log at the first batch."""
        found = settings()
        self._classifier = Classifier(partial(read_history, found.address("kafka"), TOPIC))
        self._shards = found.presence.shards
        self._out_of_orderness_ms = found.telemetry.out_of_orderness_ms

    def eval(self, *columns: "pd.Series[Any]") -> "pd.Series[Any]":
        """Gather one Arrow batch."""
        rows = pd.DataFrame(dict(zip(COLUMNS, columns, strict=True)))
        rows["log_time"] = rows["log_time"].to_numpy("datetime64[ms]").astype(np.int64)
        groups = _Groups(self._shards)
        readings = rows[rows["topic"] == TOPIC]
        if len(readings):
            self._take_readings(readings, groups)
        if len(readings) < len(rows):
            self._take_notices(rows[rows["topic"] != TOPIC], groups)
        return _laid(rows["log_time"].to_numpy(np.int64), groups)

    def _take_readings(self, rows: pd.DataFrame, groups: _Groups) -> None:
        for pane_ms, shard, ones in activities(self._readings(rows), self._shards):
            groups.own[pane_ms, shard].activities += ones
        places = (rows[name].to_numpy(np.int64) for name in ("partition", "offset", "log_time"))
        for pane_ms, read in read_offsets(*places).items():
            groups.every[pane_ms].read = read

    def _readings(self, rows: pd.DataFrame) -> Readings:
        event_times_ms = rows["event_time_ms"].to_numpy(np.int64)
        log_times_ms = rows["log_time"].to_numpy(np.int64)
        devices = fingerprints(rows["owner"])
        batch = Batch(
            messages=fingerprints(rows["identity"]),
            devices=devices,
            event_times_ms=event_times_ms,
            partitions=rows["partition"].to_numpy(np.int64),
            offsets=rows["offset"].to_numpy(np.int64),
            log_times_ms=log_times_ms,
        )
        return Readings(
            owners=rows["owner"].to_numpy(object),
            devices=devices,
            event_times_ms=event_times_ms,
            log_times_ms=log_times_ms,
            sequences=rows["sequence"].to_numpy(np.float64),
            battery=rows["battery"].to_numpy(np.float64),
            signal=rows["signal"].to_numpy(np.float64),
            first=self._classifier.verdicts(batch) != DUPLICATE,
        )

    def _take_notices(self, rows: pd.DataFrame, groups: _Groups) -> None:
        shards = shard_of(fingerprints(rows["owner"]), self._shards).tolist()
        columns = (rows[name].tolist() for name in _NOTICES)
        for shard, topic, owner, event_ms, received_ms, partition, log_ms, notice in zip(
            shards, *columns, strict=True
        ):
            pane_ms = log_ms - log_ms % PANE_MS
            if topic == "telemetry.clock" and partition == TOLD_BY:
                paused, _, ends = notice.partition(" ")
                watermark_ms = event_ms - self._out_of_orderness_ms
                tick = tick_of(watermark_ms, received_ms, log_ms, int(paused), ends_of(ends))
                every = groups.every[pane_ms]
                every.tick = max(tick, every.tick or tick)
            elif topic == "device-signals":
                groups.own[pane_ms, shard].signals.append(Signal(owner, log_ms, notice))
            elif topic == "device-context" and owner != MARKED:
                groups.own[pane_ms, shard].contexts.append(_context(owner, notice))


def tick_of(watermark_ms: int, marked_at_ms: int, log_time_ms: int, paused_ms: int, ends: Ends = ()) -> Tick:
    """Return what a mark tells: one that waited for a frozen broker knows nothing of the pause it waited in.

    So it lets pass no more log time than a mark may take without being a pause; the next one tells the rest.
    """
    return Tick(min(log_time_ms, marked_at_ms + LONGEST_STEP_MS), watermark_ms, paused_ms, ends)


def _context(owner: str, notice: str) -> Context:
    """Read what the view made of a context; a number arrives as a double."""
    told: dict[str, Any] = {name: value for name, value in json.loads(notice).items() if value is not None}
    whole: dict[str, Any] = {
        name: int(value) if isinstance(value, float) else value for name, value in told.items()
    }
    defaults = Context(
        owner, "", DEFAULT_PROFILE, "", DEFAULT_OFFLINE_AFTER_MS, DEFAULT_EXPECTED_INTERVAL_MS, None, None
    )
    return defaults._replace(**whole)


def _laid(log_times_ms: Any, groups: _Groups) -> "pd.Series[Any]":
    panes = log_times_ms - log_times_ms % PANE_MS
    last_row = {pane: row for row, pane in enumerate(panes.tolist())}
    laid: list[list[str] | None] = [None] * len(panes)
    for pane_ms, texts in groups.texts():
        laid[last_row[pane_ms]] = texts
    return pd.Series(laid, dtype=object)


FUNCTION = udf(Gather(), result_type=DataTypes.ARRAY(DataTypes.STRING()), func_type="pandas")
