"""The ledger of one device: its messages by mark, its windows metric by metric, what of it is missing."""

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from pyiceberg.table import Table

from catalog.ledger import missing_spans
from catalog.ledger_files import moment, table_where
from catalog.ledger_fold import READING_COLUMNS, ROLLUP_COLUMNS, TELEMETRY
from catalog.ledger_minutes import MINUTE_MS, OPEN, PENDING
from catalog.ledger_places import differences, look_up
from catalog.ledger_source import Look, Tables
from catalog.marks import MARKS

_SHOWN_MINUTES = 60
Device = tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class DeviceMinute:
    """One minute of a device: messages received in it, points of its windows."""

    minute_ms: int
    on_time: int
    late: int
    duplicate: int
    replaced: int
    missing: int
    rollup_count: int
    expected_rollup_count: int


@dataclass(frozen=True, kw_only=True)
class DeviceLedger:
    """One device; `accepted` = stored once + missing, `wrong` lists windows that differ and are due."""

    tenant: str
    device_id: str
    accepted: int
    stored: int
    marks: dict[str, int]
    repeated: int
    missing: int
    dead_letters: int
    waiting: int
    wrong: list[dict[str, Any]]
    minutes: list[DeviceMinute]

    @property
    def balanced(self) -> bool:
        """Each of its messages is stored once, and every window that is due holds exactly its points."""
        whole = self.accepted == self.stored == sum(self.marks.values())
        return whole and not (self.missing or self.repeated or self.wrong)

    def as_json(self) -> dict[str, Any]:
        """Return plain values, the verdict first."""
        fields = asdict(self)
        marks: dict[str, Any] = fields.pop("marks")
        return {"balanced": self.balanced} | marks | fields


def device_ledger(tenant: str, device_id: str, since_ms: int, look: Look) -> DeviceLedger:
    """Balance one device from a moment on, against the whole ledger of the same look."""
    device = (tenant, device_id)
    readings = _rows(look.tables.readings, device, since_ms, ("received_at", "event_time"), READING_COLUMNS)
    received = _from(readings, "received_at", since_ms)
    points = _points(look, device, readings, since_ms)
    spans = missing_spans(look.state.readings, look.cut.ends)
    lost = [one for one in look_up(look.log, TELEMETRY, spans) if one.owner == f"{tenant}/{device_id}"]
    marks = Counter(received.column("mark").to_pylist())
    places = (received.column(name).to_pylist() for name in ("kafka_partition", "kafka_offset"))
    once = len(set(zip(*places, strict=True)))
    wrong = [row for row in points if row["expected"] != row["found"]]
    due = [row for row in wrong if _is_due(look, row["minute"])]
    return DeviceLedger(
        tenant=tenant,
        device_id=device_id,
        accepted=once + len(lost),
        stored=len(received),
        marks={mark: marks[mark] for mark in MARKS},
        repeated=len(received) - once,
        missing=len(lost),
        dead_letters=_dead_letters(look.tables, device, since_ms),
        waiting=len(wrong) - len(due),
        wrong=due,
        minutes=_minutes(received, points, Counter(m.minute for m in lost)),
    )


def _points(look: Look, device: Device, readings: pa.Table, since_ms: int) -> list[dict[str, Any]]:
    begin_ms = -(-since_ms // MINUTE_MS) * MINUTE_MS
    rollups = _rows(look.tables.rollups, device, begin_ms, ("window_start",), ROLLUP_COLUMNS)
    return differences(_from(readings, "event_time", begin_ms), rollups)


def _is_due(look: Look, minute: int) -> bool:
    minutes = look.ledger.minutes
    place = int(np.searchsorted(minutes.keys, minute))
    return int(minutes.windows[place]) not in (OPEN, PENDING)


def _rows(
    table: Table, device: Device, since_ms: int, times: tuple[str, ...], columns: tuple[str, ...]
) -> pa.Table:
    either = " OR ".join(f"{name} >= '{moment(since_ms)}'" for name in times)
    return table_where(table, f"{_is(device)} AND ({either})", columns)


def _is(device: Device) -> str:
    tenant, device_id = (text.replace("'", "''") for text in device)
    return f"tenant = '{tenant}' AND device_id = '{device_id}'"


def _from(rows: pa.Table, column: str, since_ms: int) -> pa.Table:
    times_us = rows.column(column).cast(pa.int64()).to_numpy()
    return rows.filter(pa.array(times_us >= since_ms * 1000))


def _dead_letters(tables: Tables, device: Device, since_ms: int) -> int:
    if tables.dead_letters is None:
        return 0
    return len(_rows(tables.dead_letters, device, since_ms, ("received_at",), ("kafka_offset",)))


def _minutes(received: pa.Table, points: list[dict[str, Any]], lost: Counter[int]) -> list[DeviceMinute]:
    minutes = received.column("received_at").cast(pa.int64()).to_numpy() // (MINUTE_MS * 1000)
    marked = Counter(zip(minutes.tolist(), received.column("mark").to_pylist(), strict=True))
    expected, found = Counter[int](), Counter[int]()
    for row in points:
        expected[row["minute"]] += row["expected"]
        found[row["minute"]] += row["found"]
    keys = sorted({*np.unique(minutes).tolist(), *expected, *lost})[-_SHOWN_MINUTES:]
    return [
        DeviceMinute(
            minute_ms=key * MINUTE_MS,
            missing=lost[key],
            rollup_count=found[key],
            expected_rollup_count=expected[key],
            **{mark: marked[key, mark] for mark in MARKS},
        )
        for key in keys
    ]
