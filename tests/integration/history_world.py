"""Four days of three pumps in Redis, the lake and its archive, as stream, corrector and a move leave them.

The oracle is DuckDB over the same readings; it shares no code with the API.
"""

import random
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NamespaceAlreadyExistsError, TableAlreadyExistsError
from pyiceberg.table import Table

from catalog.migrations import connect
from millrace.settings import Settings
from tests.integration.conftest import NOW_MS, Writer
from udfs.hot_series import Pane

MINUTE_MS: Final = 60_000
HOUR_MS: Final = 3_600_000
DAY_MS: Final = 86_400_000
INTERVAL_MS: Final = 30_000
DEVICES: Final = ("pump-1", "pump-2", "pump-3")
FROM_MS: Final = NOW_MS // HOUR_MS * HOUR_MS - 4 * DAY_MS
MOVED_BEFORE_MS: Final = FROM_MS + DAY_MS
# Rows that a move left in both places.
_IN_BOTH: Final = 40
_ORACLE: Final = Path(__file__).parent.parent / "oracle" / "history.sql"
READINGS: Final = ("iot", "readings")
ROLLUPS: Final = ("iot", "rollups_1m")
ARCHIVE: Final = ("iot_archive", "readings")


class Reading(NamedTuple):
    """A stored reading."""

    device_id: str
    event_id: str
    time_ms: int
    x: float
    y: float | None
    mark: str
    offset: int


def readings() -> list[Reading]:
    """Return what was stored, in the order of the log: some late, some twice, none in order of event time."""
    dice = random.Random(6)
    sent = [
        (device, place, FROM_MS + place * INTERVAL_MS + dice.randrange(20_000))
        for device in DEVICES
        for place in range(int((NOW_MS - FROM_MS) / INTERVAL_MS) - 1)
        # One pump was off for five hours.
        if not (device == "pump-2" and 3_000 < place < 3_600)
    ]
    # Two devices at the very same millisecond, for pages that end between them.
    sent += [(device, -1, FROM_MS + 7_777_777) for device in DEVICES]
    told = [(entry, dice.choices(("on_time", "late"), (97, 3))[0]) for entry in sent]
    told += [(entry, "duplicate") for entry in dice.sample(sent, 100)]
    told.sort(key=lambda one: one[0][2] + dice.randrange(120_000) + (HOUR_MS if one[1] == "late" else 0))
    return [
        Reading(
            device,
            f"{device}:{place}",
            time_ms,
            # Eighths: sums are exact in any order. The duplicate says something else, so that it shows.
            (place * 7 + time_ms) % 800 / 8 + (1000 if mark == "duplicate" else 0),
            (time_ms % 400) / 4 if place % 2 else None,
            mark,
            offset,
        )
        for offset, ((device, place, time_ms), mark) in enumerate(told)
    ]


class History:
    """The world, and the oracle over it; everything was written when it is made."""

    def __init__(self, config: Settings, lake: Catalog, writer: Writer) -> None:
        self.config, self.lake, self.writer = config, lake, writer
        self.stored = readings()
        self.oracle = duckdb.connect()
        self._tell_oracle(self.stored)
        self._register()
        self._fill_lake()
        self._fill_redis()

    def close(self) -> None:
        """Give the connections back."""
        self.oracle.close()
        self.lake.close()

    def table(self, name: tuple[str, str]) -> Table:
        """Return a table as it is now."""
        return self.lake.load_table(name)

    def append(self, name: tuple[str, str], rows: Sequence[dict[str, Any]]) -> int:
        """Commit rows; return the snapshot's id."""
        table = self.table(name)
        table.append(pa.Table.from_pylist(list(rows), schema=table.schema().as_arrow()))
        snapshot = table.current_snapshot()
        assert snapshot is not None
        return int(snapshot.snapshot_id)

    def expected(
        self, device_id: str, metric: str, from_ms: int, to_ms: int, step_ms: int
    ) -> list[tuple[Any, ...]]:
        """Return the points: time_ms, count, min, max, sum, first, last."""
        asked = {
            "device": device_id,
            "metric": metric,
            "from_ms": from_ms,
            "to_ms": to_ms,
            "step_ms": step_ms,
        }
        return self.oracle.execute(_ORACLE.read_text(), asked).fetchall()

    def counted(self, from_ms: int, to_ms: int, devices: Iterable[str] = DEVICES) -> list[Reading]:
        """Return the readings that count, in order of time, then of the device's name."""
        inside = (one for one in self.stored if from_ms <= one.time_ms < to_ms and one.device_id in devices)
        return sorted((one for one in inside if one.mark != "duplicate"), key=lambda one: (one[2], one[0]))

    def _tell_oracle(self, stored: list[Reading]) -> None:
        frame = pd.DataFrame(stored)
        self.oracle.register("frame", frame)
        self.oracle.execute("CREATE TABLE stored AS SELECT * FROM frame")

    def _register(self) -> None:
        with connect(self.config) as connection:
            connection.execute(
                "INSERT INTO device_profile (profile, about, expected_interval_s, offline_after_s) "
                "VALUES ('pump', '', 30, 300)"
            )
            for device in DEVICES[:2]:
                connection.execute(
                    "INSERT INTO device (tenant, device_id, profile) VALUES ('demo', %s, 'pump') "
                    "ON CONFLICT (tenant, device_id) DO UPDATE SET profile = 'pump'",
                    (device,),
                )

    def _fill_lake(self) -> None:
        with suppress(NamespaceAlreadyExistsError):
            self.lake.create_namespace("iot_archive")
        warm = self.table(READINGS)
        with suppress(TableAlreadyExistsError):
            self.lake.create_table(ARCHIVE, warm.schema(), partition_spec=warm.spec())
        moved = [one for one in self.stored if one.time_ms < MOVED_BEFORE_MS]
        kept = [one for one in self.stored if one.time_ms >= MOVED_BEFORE_MS] + moved[:_IN_BOTH]
        self.append(ARCHIVE, [stored_row(one) for one in moved])
        for part in np.array_split(np.arange(len(kept)), 5):
            self.append(READINGS, [stored_row(kept[place]) for place in part])
        # Minutes as they were told before late readings came, then corrected.
        self.first_minutes = self.append(ROLLUPS, minutes(self.stored, with_late=False))
        self.corrected_minutes = self.append(ROLLUPS, list(self._corrections()))

    def _corrections(self) -> Iterable[dict[str, Any]]:
        touched = {(o.device_id, o.time_ms // MINUTE_MS) for o in self.stored if o.mark == "late"}
        for row in minutes(self.stored, with_late=True):
            if (row["device_id"], int(row["window_start"].timestamp()) // 60) in touched:
                yield row | {"revision": 1}

    def _fill_redis(self) -> None:
        since_ms = (NOW_MS - DAY_MS) // HOUR_MS * HOUR_MS
        for device in DEVICES:
            for metric in ("x", "y"):
                for row in self.expected(device, metric, since_ms, NOW_MS, 10_000):
                    self.writer.pane(device, metric, _pane(row))
            for one in self.counted(NOW_MS - 10 * INTERVAL_MS, NOW_MS, [device]):
                metrics = {"x": one.x} | ({} if one.y is None else {"y": one.y})
                self.writer.latest(device, one.time_ms, metrics)


def _pane(row: tuple[Any, ...]) -> Pane:
    start_ms, count, least, greatest, total, first, last = row
    return Pane(start_ms, count, least, greatest, total, first, last)


def moment(time_ms: int) -> Any:
    """Return epoch milliseconds as PyArrow takes a time in UTC."""
    return pd.Timestamp(time_ms, unit="ms", tz="UTC").to_pydatetime()


def stored_row(one: Reading) -> dict[str, Any]:
    """Return a reading as a row of iot.readings."""
    metrics = [("x", one.x)] + ([] if one.y is None else [("y", one.y)])
    return {
        "tenant": "demo",
        "device_id": one.device_id,
        "event_id": one.event_id,
        "event_time": moment(one.time_ms),
        "metrics": metrics,
        "received_at": moment(one.time_ms),
        "source": "test",
        "kafka_partition": 0,
        "kafka_offset": one.offset,
        "mark": one.mark,
    }


def minutes(stored: Iterable[Reading], *, with_late: bool) -> list[dict[str, Any]]:
    """Return minutes as the stream tells them that saw only readings on time, or all that count."""
    groups: dict[tuple[str, str, int], list[tuple[int, float]]] = {}
    for one in stored:
        if one.mark == "on_time" or (with_late and one.mark == "late"):
            for metric, value in (("x", one.x), ("y", one.y)):
                if value is not None:
                    key = (one.device_id, metric, one.time_ms // MINUTE_MS * MINUTE_MS)
                    groups.setdefault(key, []).append((one.time_ms, value))
    return [_minute(*key, sorted(inside)) for key, inside in groups.items()]


def _minute(device_id: str, metric: str, start_ms: int, inside: list[tuple[int, float]]) -> dict[str, Any]:
    values = [value for _, value in inside]
    return {
        "tenant": "demo",
        "device_id": device_id,
        "metric": metric,
        "window_start": moment(start_ms),
        "min": min(values),
        "max": max(values),
        "sum": sum(values),
        "count": len(values),
        "first": values[0],
        "last": values[-1],
        "late_count": 0,
        "revision": 0,
        "complete": True,
    }
