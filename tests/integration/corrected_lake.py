"""A real Iceberg catalog in a folder, written to as the stream writes, and a corrector over it."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
from pyiceberg.catalog.sql import SqlCatalog

from catalog.corrections_report import Report
from catalog.tables import apply_tables
from jobs.corrections.alert_sources import AlertSources
from jobs.corrections.corrector import Corrector, Surroundings
from jobs.corrections.memory import Memory
from jobs.corrections.session_reads import DeviceTerms
from jobs.corrections.session_repair import Devices
from jobs.corrections.stream_view import StreamView
from jobs.corrections.window_repair import PutPanes
from tests.oracle.compare import window_differences
from tests.oracle.expected import expect_windows
from tests.oracle.sessions import expected_sessions
from udfs.device_state import Context
from udfs.rules.reading import RuleDevice
from udfs.sessions import gap_after_ms, sessionize

TENANT = "demo"
OFFLINE_AFTER_MS, INTERVAL_MS = 60_000, 10_000
NEVER = -1
JOB_IDS = {"telemetry": "a" * 32, "sessions": "b" * 32, "alerts": "c" * 32}
NO_RULES = AlertSources(
    rules=lambda _: [],
    devices=lambda owners: {owner: RuleDevice(TENANT, owner.partition("/")[2]) for owner in owners},
    known=lambda _: [],
    unconfirmed=lambda _: [],
    confirm=lambda _: None,
    tell=lambda _: None,
)


class Reading(NamedTuple):
    """A stored reading; a duplicate repeats an event id, what is `late` is in no published window."""

    device_id: str
    event_id: str
    event_time_ms: int
    metrics: dict[str, float]
    mark: str = "on_time"
    place: tuple[float, float] | None = None
    source: str = "mqtt"
    partition: int = 0


def registered(owners: Collection[str]) -> Mapping[str, DeviceTerms]:
    """Return the same terms for every device."""
    return {
        owner: Context(owner, "hall", "default", "", OFFLINE_AFTER_MS, INTERVAL_MS, None, None)
        for owner in owners
    }


class CorrectedLake:
    """What the stream wrote so far, and one corrector."""

    def __init__(
        self, folder: Path, put_panes: PutPanes = lambda _: None, alerts: AlertSources = NO_RULES
    ) -> None:
        place = {
            "uri": f"sqlite:///{folder}/catalog.db",
            "warehouse": folder.as_uri(),
            "schema_version": "v1",
        }
        self.lake = SqlCatalog("lake", **place)
        apply_tables(self.lake)
        self.folder, self.put_panes, self.alerts = folder, put_panes, alerts
        self.readings: list[Reading] = []
        self.checkpoint = 0
        self.watermark_ms = NEVER
        self.running = set(JOB_IDS)
        self.open_since: dict[str, int] = {}
        self.start_corrector()

    def close(self) -> None:
        """Give files and connections back."""
        self.memory.close()
        self.lake.close()

    def start_corrector(self) -> None:
        """Start a corrector with the memory the folder holds."""
        self.memory = Memory(self.folder / "corrections.duckdb")
        around = Surroundings(
            lake=self.lake,
            look=self._look,
            tick_watermark_ms=lambda log_time_ms: log_time_ms,
            put_panes=self.put_panes,
            devices=Devices(
                registered, lambda owners: {o: self.open_since[o] for o in owners & self.open_since.keys()}
            ),
            alerts=self.alerts,
            still_alone=lambda: None,
        )
        self.corrector = Corrector(self.memory, around)

    def restart_corrector(self, forget: bool = False) -> None:
        """Stop the corrector and start another, without its memory if it forgets."""
        self.memory.close()
        if forget:
            (self.folder / "corrections.duckdb").unlink()
        self.start_corrector()

    def _look(self, name: str) -> StreamView | None:
        if name not in self.running:
            return None
        return StreamView(JOB_IDS[name], JOB_IDS[name], self.watermark_ms, self.checkpoint, self.checkpoint)

    def pass_once(self, now_ms: int) -> Report:
        """Let the corrector make one pass."""
        return self.corrector.run_pass(now_ms)

    def settle(self, now_ms: int) -> Report:
        """Complete checkpoints, with a pass after each, until what the stream told is final."""
        for _ in range(3):
            self.checkpoint += 1
            report = self.pass_once(now_ms)
        return report

    def append(self, table: str, rows: Sequence[dict[str, Any]], job: str = "telemetry") -> None:
        """Append rows as a checkpoint of a job does."""
        self.checkpoint += 1
        found = self.lake.load_table(("iot", table))
        summary = {"flink.job-id": JOB_IDS[job], "flink.max-committed-checkpoint-id": str(self.checkpoint)}
        arrow = pa.Table.from_pylist(list(rows), schema=found.schema().as_arrow())
        found.append(arrow, snapshot_properties=summary)

    def store(self, readings: Iterable[Reading]) -> None:
        """Append readings to iot.readings, offsets in order."""
        new = list(readings)
        begin = len(self.readings)
        self.append("readings", [_stored(one, begin + place) for place, one in enumerate(new)])
        self.readings += new

    def tell_windows(self, readings: Iterable[Reading]) -> None:
        """Publish minutes as the stream would that had only these readings."""
        self.append("rollups_1m", _windows(counted(readings)))

    def tell_sessions(self, readings: Iterable[Reading]) -> None:
        """Publish sessions as the stream would that had only these readings."""
        self.append("sessions", _sessions(counted(readings)), "sessions")

    def rows(self, table: str) -> "pd.DataFrame":
        """Return all rows of a table."""
        return self.lake.load_table(("iot", table)).scan().to_pandas()

    def wrong_windows(self) -> list[str]:
        """Compare the windows' highest revisions with the oracle; empty means equal."""
        points = [
            (one.device_id, one.event_id, one.event_time_ms, metric, value)
            for one in counted(self.readings)
            for metric, value in one.metrics.items()
        ]
        columns = ["device_id", "event_id", "event_time_ms", "metric", "value"]
        with duckdb.connect() as connection:
            connection.register("point_rows", pd.DataFrame(points, columns=columns))
            connection.execute("CREATE TABLE expected_points AS FROM point_rows")
            expect_windows(connection, 60_000)
            connection.register(
                "actual_windows", self.lake.load_table(("iot", "rollups_1m")).scan().to_arrow()
            )
            return window_differences(connection)

    def wrong_sessions(self) -> list[str]:
        """Compare the sessions' highest revisions with the oracle; empty means equal."""
        frame = pd.DataFrame(
            {
                "tenant": TENANT,
                "device_id": [one.device_id for one in self.readings],
                "event_id": [one.event_id for one in self.readings],
                "event_time": [one.event_time_ms for one in self.readings],
                "battery_pct": [one.metrics.get("battery_pct") for one in self.readings],
            }
        )
        wanted = expected_sessions(frame, OFFLINE_AFTER_MS, gap_after_ms(INTERVAL_MS))
        told = {_session(row) for row in self.told_sessions().to_dict("records")}
        expected = {_session(row) for row in wanted.to_dict("records")}
        return [f"missing {row}" for row in sorted(expected - told)] + [
            f"unexpected {row}" for row in sorted(told - expected)
        ]

    def told_sessions(self) -> "pd.DataFrame":
        """Return the highest revision of each session that was not superseded, times in milliseconds."""
        rows = self.rows("sessions").sort_values("revision")
        assert not rows.duplicated(["device_id", "session_start", "revision"]).any()
        rows = rows.drop_duplicates(["device_id", "session_start"], keep="last")
        rows = rows[~rows["superseded"]].copy()
        for name in ("session_start", "session_end"):
            rows[name] = rows[name].astype("datetime64[ms, UTC]").astype("int64")
        return rows


def _session(row: dict[Any, Any]) -> tuple[Any, ...]:
    names = ("device_id", "session_start", "session_end", "readings", "gaps", "battery_min", "battery_max")
    return tuple(-1.0 if row[name] is None or row[name] != row[name] else row[name] for name in names)


def counted(readings: Iterable[Reading]) -> list[Reading]:
    """Leave out what does not count."""
    return [one for one in readings if one.mark not in {"duplicate", "replaced"}]


def _stored(one: Reading, offset: int) -> dict[str, Any]:
    return {
        "tenant": TENANT,
        "device_id": one.device_id,
        "event_id": one.event_id,
        "event_time": _moment(one.event_time_ms),
        "metrics": list(one.metrics.items()),
        "location": None if one.place is None else {"lat": one.place[0], "lon": one.place[1], "alt_m": None},
        "received_at": _moment(one.event_time_ms),
        "source": one.source,
        "kafka_partition": one.partition,
        "kafka_offset": offset,
        "mark": one.mark,
    }


def _moment(time_ms: int) -> Any:
    return np.datetime64(time_ms, "ms").astype("datetime64[us]").item()


def _windows(readings: list[Reading]) -> list[dict[str, Any]]:
    grouped: dict[tuple[str, str, int], list[Reading]] = {}
    for one in sorted(readings, key=lambda one: one.event_time_ms):
        for metric in one.metrics:
            key = (one.device_id, metric, one.event_time_ms // 60_000 * 60_000)
            grouped.setdefault(key, []).append(one)
    return [_window(*key, inside) for key, inside in grouped.items()]


def _window(device_id: str, metric: str, start_ms: int, inside: list[Reading]) -> dict[str, Any]:
    values = [one.metrics[metric] for one in inside]
    return {
        "tenant": TENANT,
        "device_id": device_id,
        "metric": metric,
        "window_start": _moment(start_ms),
        "min": min(values),
        "max": max(values),
        "sum": sum(values),
        "count": len(values),
        "first": values[0],
        "last": values[-1],
        "late_count": sum(one.mark == "late" for one in inside),
        "revision": 0,
        "complete": True,
    }


def _sessions(readings: list[Reading]) -> list[dict[str, Any]]:
    rows = []
    for device_id in sorted({one.device_id for one in readings}):
        own = sorted((o for o in readings if o.device_id == device_id), key=lambda one: one.event_time_ms)
        times = np.array([one.event_time_ms for one in own])
        battery = np.array([one.metrics.get("battery_pct", np.nan) for one in own])
        late = np.array([one.mark == "late" for one in own])
        terms = (OFFLINE_AFTER_MS, gap_after_ms(INTERVAL_MS))
        rows += [
            _session_row(device_id, found._asdict())
            for found in sessionize(times, battery, np.full(len(own), np.nan), late, *terms)
        ]
    return rows


def _session_row(device_id: str, found: dict[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in found.items() if name not in {"start_ms", "end_ms", "late"}}
    return kept | {
        "tenant": TENANT,
        "device_id": device_id,
        "session_start": _moment(found["start_ms"]),
        "session_end": _moment(found["end_ms"]),
        "site": "hall",
        "profile": "default",
        "late_count": found["late"],
        "revision": 0,
        "superseded": False,
    }
