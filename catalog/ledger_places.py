"""Names what does not balance: the device, the minute and the window behind an offset or a wrong sum."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyiceberg.table import Table

from catalog.backfills import PARTITION as BACKFILLED
from catalog.ledger import SHOWN_SPANS, Finding, Ledger, PartitionBalance
from catalog.ledger_files import table_where, within
from catalog.ledger_fold import READING_COLUMNS, ROLLUP_COLUMNS, query
from catalog.ledger_kafka import LedgerLog, Record
from catalog.ledger_minutes import MINUTE_MS
from catalog.ledger_offsets import Span
from millrace.clock import to_iso
from millrace.phrases import counted

_LOOKED_UP = 1_000
_NAMED_DEVICES = 5
_NAMED_DIFFERENCES = 5


class Missing(NamedTuple):
    """One accepted message that is not stored."""

    partition: int
    offset: int
    owner: str
    minute: int
    window: int | None
    reason: str


def look_up(log: LedgerLog, topic: str, spans: dict[int, list[Span]]) -> list[Missing]:
    """Read from Kafka what is missing in the lake, the first thousand of it."""
    found: list[Missing] = []
    for partition, gaps in spans.items():
        # What is imported is not in Kafka.
        for gap in gaps if partition != BACKFILLED else ():
            room = _LOOKED_UP - len(found)
            end = min(gap.last + 1, gap.first + room)
            found += [_missing(record) for record in log.read(topic, partition, gap.first, end)]
    return found


def missing_by_minute(missing: Iterable[Missing]) -> Counter[int]:
    """Count by the minute in which the gateway received them."""
    return Counter(one.minute for one in missing)


def name_gaps(topic: str, spans: dict[int, list[Span]], missing: list[Missing]) -> Iterator[Finding]:
    """Say of the first gaps of each partition what was in them."""
    for partition, gaps in spans.items():
        for gap in gaps[:SHOWN_SPANS]:
            inside = [m for m in missing if m.partition == partition and gap.first <= m.offset <= gap.last]
            yield _gap(topic, partition, gap, inside)


def name_partitions(ledger: Ledger) -> Iterator[Finding]:
    """Say which offsets are stored twice, and what Kafka lost."""
    books = [("telemetry", p) for p in ledger.partitions]
    if ledger.dead_letter_table:
        books += [("telemetry.dead-letter", p) for p in ledger.dead_partitions]
    for topic, partition in books:
        yield from _partition(topic, partition)


def name_windows(readings: Table, rollups: Table, minutes: list[int]) -> Iterator[Finding]:
    """Say of the first wrong windows which device and metric differ."""
    for minute in minutes[:SHOWN_SPANS]:
        found = differences(
            table_where(readings, within("event_time", minute, minute), READING_COLUMNS),
            table_where(rollups, within("window_start", minute, minute), ROLLUP_COLUMNS),
        )
        wrong = [row for row in found if row["expected"] != row["found"]]
        yield from (_difference(row) for row in wrong[:_NAMED_DIFFERENCES])
        if len(wrong) > _NAMED_DIFFERENCES:
            where = {"window": to_iso(minute * MINUTE_MS)}
            more = len(wrong) - _NAMED_DIFFERENCES
            yield Finding(
                what="window",
                says=f"{more} more {'differs' if more == 1 else 'differ'} in {where['window']}",
                where=where,
            )


def differences(readings: pa.Table, rollups: pa.Table) -> list[dict[str, Any]]:
    """Compare readings and rollups by device, metric and minute."""
    columns = query("ledger_differences", readings=readings, rollups=rollups)
    lists: dict[str, list[Any]] = {name: _values(column) for name, column in columns.items()}
    return [dict(zip(lists, row, strict=True)) for row in zip(*lists.values(), strict=True)]


def _values(column: npt.NDArray[Any]) -> list[Any]:
    values: list[Any] = np.asarray(column).tolist()
    return values


def _missing(record: Record) -> Missing:
    fields = record.fields
    event_time = fields.get("event_time")
    return Missing(
        partition=record.partition,
        offset=record.offset,
        owner=f"{fields['tenant'] or '?'}/{fields['device_id'] or '?'}",
        minute=_minute(fields["received_at"]),
        window=None if event_time is None else _minute(event_time),
        reason=fields.get("reason", ""),
    )


def _minute(moment: Any) -> int:
    return int(moment.timestamp() * 1000) // MINUTE_MS


def _gap(topic: str, partition: int, gap: Span, inside: list[Missing]) -> Finding:
    devices = sorted({one.owner for one in inside})
    minutes = sorted({one.minute for one in inside})
    windows = sorted({one.window for one in inside if one.window is not None})
    where = {
        "topic": topic,
        "partition": partition,
        "first": gap.first,
        "last": gap.last,
        "devices": devices[:_NAMED_DEVICES],
        "minutes": _iso(minutes),
        "windows": _iso(windows),
        "reasons": sorted({one.reason for one in inside if one.reason}),
    }
    lost = "; imported, import the file again" if partition == BACKFILLED else ", and Kafka has them no more"
    who = f": {', '.join(devices[:_NAMED_DEVICES])}" if devices else lost
    span = str(gap.first) if gap.size == 1 else f"{gap.first}-{gap.last}"
    says = f"{gap.size} of {topic}-{partition} accepted but not stored, offset {span}{who}"
    return Finding(what="missing", says=says, where=where)


def _iso(minutes: list[int]) -> list[str]:
    return [to_iso(minute * MINUTE_MS) for minute in minutes[:_NAMED_DEVICES]]


def _partition(topic: str, balance: PartitionBalance) -> Iterator[Finding]:
    where: dict[str, Any] = {"topic": topic, "partition": balance.partition}
    if balance.repeated:
        offsets = [span.first for span in balance.repeats]
        stored = "is stored" if balance.repeated == 1 else "are stored"
        rows = counted(balance.repeated, "row")
        says = f"{rows} of {topic}-{balance.partition} {stored} again: {offsets} first"
        yield Finding(what="repeated", says=says, where=where | {"offsets": offsets})
    if balance.lost:
        says = f"{topic}-{balance.partition} ends {balance.lost} before what gateways told or the lake holds"
        yield Finding(what="lost", says=says, where=where)


def _difference(row: dict[str, Any]) -> Finding:
    window = to_iso(row["minute"] * MINUTE_MS)
    says = (
        f"rollup of {row['tenant']}/{row['device_id']} {row['metric']} at {window} "
        f"holds {row['found']} of {row['expected']}"
    )
    names = ("tenant", "device_id", "metric", "expected", "found", "revision")
    return Finding(what="window", says=says, where={"window": window} | {name: row[name] for name in names})
