"""Alerts of a trial where a stack keeps them: PostgreSQL, iot.alert_events, and what a backtest finds."""

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pyarrow as pa
from pyiceberg.io.pyarrow import ArrowScan
from pyiceberg.table import Table

from bench.alert_cases import Found
from catalog.lake import load_lake
from catalog.migrations import connect
from millrace.settings import Settings

# Times as microseconds, as the table has them.
_ROW = pa.schema(
    [(name, pa.string()) for name in ("alert_id", "device_id", "rule", "kind")]
    + [(name, pa.int64()) for name in ("onset", "at")]
)
_KEPT = (Path(__file__).resolve().parent / "kept_alerts.sql").read_text()
# A backtest of all that a stack ever stored may take so long.
_BACKTEST_S = 300.0


class History(NamedTuple):
    """Alerts as the rows of iot.alert_events leave them, and how many rows of each kind there are."""

    alerts: list[Found]
    kinds: Counter[str]


def kept_alerts(settings: Settings, rules: Iterable[str]) -> list[Found]:
    """Return the alerts of rules in PostgreSQL, without withdrawn ones."""
    asked = {"tenant": settings.tenant, "rules": list(rules)}
    with connect(settings) as connection:
        return [Found(*row) for row in connection.execute(_KEPT.encode(), asked)]


def stored_history(settings: Settings, prefix: str) -> History:
    """Return what iot.alert_events says of the devices of a trial."""
    table = load_lake(settings).load_table("iot.alert_events")
    rows = [row for part in _in_order_told(table, prefix) for row in part.to_pylist()]
    return History(last_states(rows), Counter(row["kind"] for row in rows))


def _in_order_told(table: Table, prefix: str) -> Iterator[pa.Table]:
    """Yield the rows file by file: no column says which came first, commits and files do."""
    scan = table.scan(row_filter=f"device_id LIKE '{prefix}%'", selected_fields=tuple(_ROW.names))
    entries = table.inspect.entries().to_pylist() if table.current_snapshot() else []
    number = {entry["data_file"]["file_path"]: entry["sequence_number"] for entry in entries}
    reader = ArrowScan(table.metadata, table.io, scan.projection(), scan.row_filter)
    for task in sorted(scan.plan_files(), key=lambda task: number[task.file.file_path]):
        yield reader.to_table([task]).select(_ROW.names).cast(_ROW)


def last_states(rows: Iterable[dict[str, Any]]) -> list[Found]:
    """Return the alerts that rows of iot.alert_events, in the order they were told, come to.

    Their case is the rule's name; times of the rows are microseconds.
    """
    alerts: dict[str, Found] = {}
    for row in rows:
        alert_id, at_ms = row["alert_id"], row["at"] // 1000
        if row["kind"] == "withdrawn":
            alerts.pop(alert_id, None)
        elif row["kind"] == "cleared" and alert_id in alerts:
            alerts[alert_id] = alerts[alert_id]._replace(cleared_ms=at_ms)
        elif row["kind"] in {"raised", "updated"}:
            alerts[alert_id] = Found(row["rule"], row["device_id"], row["onset"] // 1000, at_ms, None)
    return list(alerts.values())


class Backtested(NamedTuple):
    """What a backtest of one rule found, and how long the API took."""

    alerts: list[Found]
    fired: int
    took_ms: int


def backtest(settings: Settings, rule: str, from_ms: int, to_ms: int) -> Backtested:
    """Run a rule over what the lake holds of [from, to), by the API."""
    reply = httpx.post(
        f"http://{settings.address('api')}/rules/{rule}/backtest",
        params={"from": from_ms, "to": to_ms},
        timeout=_BACKTEST_S,
    )
    answer = reply.raise_for_status().json()
    times = ("onset_ms", "raised_ms", "cleared_ms")
    alerts = [Found(rule, one["device_id"], *(one[name] for name in times)) for one in answer["instances"]]
    return Backtested(alerts, answer["fired"], answer["took_ms"])
