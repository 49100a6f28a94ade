"""The ledger of what was sent: every message with its payload, in the order it went out, as Parquet."""

from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa
import pyarrow.parquet as pq

from bench.disorder import Sent

SCHEMA = pa.schema(
    [
        pa.field("place", pa.int64(), nullable=False),
        pa.field("device_id", pa.string(), nullable=False),
        pa.field("event_id", pa.string(), nullable=False),
        pa.field("event_time_ms", pa.int64(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("copy", pa.int8(), nullable=False),
        pa.field("broken", pa.string()),
        pa.field("reason", pa.string()),
        pa.field("payload", pa.binary(), nullable=False),
    ]
)


class SentLedger:
    """Writes down messages once they are acknowledged; `place` counts from 0."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._writer = pq.ParquetWriter(path, SCHEMA, compression="zstd")
        self._place = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._writer.close()

    def add(self, messages: Iterable[Sent]) -> None:
        """Append messages in the order they went out."""
        rows = [
            message._asdict() | {"place": place} for place, message in enumerate(messages, start=self._place)
        ]
        self._place += len(rows)
        self._writer.write_table(pa.Table.from_pylist(rows, schema=SCHEMA))
