"""A clean day of every table with a suite, in a real Iceberg catalog; a defect is a change to its rows."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
from pyiceberg.catalog import Catalog
from pyiceberg.catalog.sql import SqlCatalog

from catalog.quality.day_rows import Span
from catalog.quality.finding import Finding
from catalog.quality.run import Bench, look_at
from catalog.quality.suite import suites_of
from catalog.quality.terms import DeviceTerms, Limits, Terms
from catalog.tables import apply_tables

Rows = dict[str, list[dict[str, Any]]]
DAY_MS: Final = 1_767_225_600_000
NOW_MS: Final = DAY_MS + 3_600_000
INTERVAL_S: Final = 10
RANGES: Final = {"temperature_c": Limits(-40.0, 85.0), "humidity_pct": Limits(0.0, 100.0)}
DEVICES: Final = ("pump-1", "pump-2", "pump-3", "mine")
# `mine` has no profile: nothing is promised of it.
TERMS: Final = Terms([DeviceTerms("demo", name, "pump", INTERVAL_S, RANGES) for name in DEVICES[:3]])


class QualityLake:
    """The tables in a folder."""

    def __init__(self, folder: Path, lake: Catalog | None = None) -> None:
        place = {"uri": f"sqlite:///{folder}/catalog.db", "warehouse": folder.as_uri()}
        self.lake = lake or SqlCatalog("lake", **place, schema_version="v1")
        apply_tables(self.lake)
        self.folder = folder
        self.terms = TERMS

    def bench(self) -> Bench:
        """Return what a look needs."""
        return Bench(self.lake, lambda _from, _until: self.terms, self.folder / "scratch")

    def write(self, rows: Rows) -> None:
        """Make the tables hold these rows and no others."""
        for name, wanted in rows.items():
            table = self.lake.load_table(("iot", name))
            table.overwrite(pa.Table.from_pylist(wanted, schema=table.schema().as_arrow()))

    def look(self, now_ms: int = NOW_MS, day_ms: int = DAY_MS, table: str | None = None) -> list[Finding]:
        """Look at a day with the suites of a table, or with every suite."""
        looks = [look_at(self.bench(), suite, Span(day_ms, now_ms)) for suite in suites_of(table)]
        return [finding for look in looks if look is not None for finding in look.findings]

    def failed(self, now_ms: int = NOW_MS) -> set[str]:
        """Return the names of the checks of readings that fail."""
        return {one.check for one in self.look(now_ms, table="readings") if not one.passed}


def at(second: float) -> Any:
    """Return a moment of the day, in microseconds as Arrow takes it."""
    return round((DAY_MS / 1000 + second) * 1_000_000)


def clean_rows() -> Rows:
    """Return an hour of four devices, with a late, a duplicate and an out-of-order row, and what follows."""
    readings = [_reading(name, i, place) for place, (name, i) in enumerate(_sent())]
    readings[7]["mark"] = "late"
    again = readings[11] | {"mark": "duplicate", "kafka_offset": len(readings)}
    readings[3], readings[9] = readings[9], readings[3]
    windows = [_window(name, metric, minute) for name in DEVICES for metric in RANGES for minute in range(60)]
    return {
        "readings": [*readings, again],
        "rollups_1m": [*windows, windows[5] | {"revision": 1, "late_count": 1}],
        "sessions": [_session(name) for name in DEVICES] + [_session("pump-1") | {"revision": 1}],
        "alert_events": [_alert("raised", 60), _alert("cleared", 90), _alert("raised", 60)],
        "dead_letters": [_letter("malformed_json", 0), _letter("not_finite", 1)],
        "ledger": [_minute(1, 0, balanced=False), _minute(1, 1), _minute(2, 0)],
    }


def _sent() -> list[tuple[str, int]]:
    return [(name, i) for i in range(3_600 // INTERVAL_S) for name in DEVICES if name != "mine" or i < 3]


def _reading(name: str, i: int, offset: int) -> dict[str, Any]:
    second = i * INTERVAL_S + DEVICES.index(name) / 10
    # Only those with a profile have to keep to ranges.
    value = 20.0 + i % 7 if name != "mine" else 1_000.0
    return {
        "tenant": "demo",
        "device_id": name,
        "event_id": f"{name}-{i}",
        "event_time": at(second),
        "metrics": [("temperature_c", value), ("humidity_pct", 50.0)],
        "received_at": at(second + 0.2),
        "source": "test",
        "kafka_partition": offset % 2,
        "kafka_offset": offset,
        "mark": "on_time",
    }


def _window(name: str, metric: str, minute: int) -> dict[str, Any]:
    # Three times 0.1 is not 0.3: the average is above the maximum by a digit nobody means.
    return {
        "tenant": "demo",
        "device_id": name,
        "metric": metric,
        "window_start": at(60 * minute),
        "min": 0.1,
        "max": 0.1,
        "sum": 0.1 + 0.1 + 0.1,
        "count": 3,
        "first": 0.1,
        "last": 0.1,
        "late_count": 0,
        "revision": 0,
        "complete": True,
    }


def _session(name: str) -> dict[str, Any]:
    return {
        "tenant": "demo",
        "device_id": name,
        "session_start": at(0),
        "session_end": at(3_590),
        "readings": 360,
        "gaps": 0,
        "site": "",
        "profile": "pump",
        "late_count": 0,
        "revision": 0,
        "superseded": False,
    }


def _alert(kind: str, second: float) -> dict[str, Any]:
    texts = dict.fromkeys(("alert_id", "rule"), "a")
    return texts | {
        "tenant": "demo",
        "device_id": "pump-1",
        "site": "",
        "rule_version": 1,
        "kind": kind,
        "severity": "warning",
        "onset": at(30),
        "at": at(second),
        "shadow": False,
        "retroactive": False,
        "evidence": [("value", "90")],
    }


def _letter(reason: str, offset: int) -> dict[str, Any]:
    return {
        "dead_letter_id": f"0-{offset}",
        "reason": reason,
        "detail": "of no use",
        "address": "t/demo/pump-1/telemetry",
        "received_at": at(30 + offset),
        "source": "mqtt",
        "original": b"{",
        "kafka_partition": 0,
        "kafka_offset": offset,
    }


_COUNTS: Final = (
    "accepted_gateway",
    "accepted_kafka",
    "stored",
    "on_time",
    "late",
    "duplicate",
    "dead_letters",
    "rollup_count",
    "expected_rollup_count",
)


def _minute(minute: int, revision: int, balanced: bool = True) -> dict[str, Any]:
    return dict.fromkeys(_COUNTS, 6) | {
        "minute": at(60 * minute),
        "balanced": balanced,
        "note": "" if balanced else "2 readings are missing",
        "revision": revision,
        "taken_at": at(60 * minute + 90),
    }


Defect = Callable[[Rows], object]
