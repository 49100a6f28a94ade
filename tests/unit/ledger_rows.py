"""Rows of the ledger's tables and accounts of gateways, as small as a test can say them."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import pyarrow as pa

from catalog.ddl import read_table, table_files
from catalog.ledger import Ledger, judge
from catalog.ledger_fold import (
    DEAD_LETTER_COLUMNS,
    READING_COLUMNS,
    ROLLUP_COLUMNS,
    fold_readings,
    fold_rollups,
)
from catalog.ledger_minutes import Cut
from catalog.ledger_state import LedgerState

MINUTE = 29_453_760
NOW_MS = (MINUTE + 60) * 60_000
SCHEMAS = {path.stem: read_table(path).schema for path in table_files()}


class Row(NamedTuple):
    """One stored message: place, mark, minutes of receipt and of event, device, metrics, protocol."""

    offset: int
    mark: str = "on_time"
    partition: int = 0
    received: int = MINUTE
    event: int = MINUTE
    device: str = "d1"
    metrics: tuple[str, ...] = ("a",)
    source: str = "mqtt"


def table(name: str, columns: tuple[str, ...], rows: Iterable[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=SCHEMAS[name].select(*columns).as_arrow())


def readings(rows: Iterable[Row]) -> pa.Table:
    return table(
        "readings",
        READING_COLUMNS,
        (
            {
                "tenant": "demo",
                "device_id": row.device,
                "event_time": row.event * 60_000_000 + 1,
                "metrics": [(metric, 1.0) for metric in row.metrics],
                "received_at": row.received * 60_000_000 + 59_999_000,
                "source": row.source,
                "kafka_partition": row.partition,
                "kafka_offset": row.offset,
                "mark": row.mark,
            }
            for row in rows
        ),
    )


def rollup(count: int, device: str = "d1", metric: str = "a", minute: int = MINUTE, revision: int = 0) -> Any:
    return {
        "tenant": "demo",
        "device_id": device,
        "metric": metric,
        "window_start": minute * 60_000_000,
        "count": count,
        "revision": revision,
    }


def rollups(*rows: Any) -> pa.Table:
    return table("rollups_1m", ROLLUP_COLUMNS, rows)


def dead_letters(*rows: tuple[int, str]) -> pa.Table:
    fields = ({"kafka_partition": 0, "kafka_offset": o, "reason": r} for o, r in rows)
    received = {"received_at": MINUTE * 60_000_000}
    return table("dead_letters", DEAD_LETTER_COLUMNS, (field | received for field in fields))


def account(*runs: tuple[int, int], dead: Iterable[tuple[int, int, str]] = ()) -> dict[str, Any]:
    return {
        "readings": [{"partition": 0, "minute": MINUTE, "first": a, "last": b} for a, b in runs],
        "dead_letters": [
            {"partition": 0, "minute": MINUTE, "first": a, "last": b, "reason": reason}
            for a, b, reason in dead
        ],
    }


def ledger(state: LedgerState, *ends: int, dead: int = 0, now_ms: int = NOW_MS, **more: Any) -> Ledger:
    ended = dict(enumerate(ends))
    missing = more.pop("missing", {})
    cut = Cut(now_ms=now_ms, ends=ended, dead_ends={0: dead}, last_ends=more.pop("last_ends", ended), **more)
    return judge(state, cut, missing)


def known(rows: Iterable[Row], *windows: Any) -> LedgerState:
    state = LedgerState()
    fold_readings(state, readings(rows))
    fold_rollups(state, rollups(*windows))
    return state
