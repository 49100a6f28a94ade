"""Readings made fast, and written to Iceberg as the stream writes them: in many small commits."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import urlparse

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.io.pyarrow import _dataframe_to_data_files
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table

from catalog.tables import apply_tables

DAY_S: Final = 86_400
Numbers = npt.NDArray[np.int64]
METRICS: Final = ("temperature_c", "humidity_pct", "pressure_hpa")
_CHUNK_S: Final = 3_600


class Fleet(NamedTuple):
    """So many devices, each sending every `interval_s` seconds."""

    devices: int
    interval_s: int

    def readings(self, from_s: int, to_s: int, first_offset: int, schema: pa.Schema) -> pa.Table:
        """Return what the fleet sends in [from_s, to_s), epoch seconds, in the order of time."""
        ticks = np.arange(from_s, to_s, self.interval_s, dtype=np.int64)
        rows = len(ticks) * self.devices
        device = np.tile(np.arange(self.devices), len(ticks))
        at_us = np.repeat(ticks, self.devices) * 1_000_000 + device * 1_000
        offsets = first_offset + np.arange(rows, dtype=np.int64)
        names = pa.array([f"device-{number:05}" for number in range(self.devices)])
        columns = {
            "tenant": _same("demo", rows),
            "device_id": names.take(pa.array(device)),
            "event_id": pa.array(offsets).cast(pa.string()),
            "event_time": pa.array(at_us),
            "metrics": _metrics(device, at_us, schema.field("metrics").type),
            "location": pa.nulls(rows, schema.field("location").type),
            "attributes": pa.nulls(rows, schema.field("attributes").type),
            "received_at": pa.array(at_us + 200_000),
            "source": _same("mqtt", rows),
            "kafka_partition": pa.array(np.zeros(rows, dtype=np.int32)),
            "kafka_offset": pa.array(offsets),
            "mark": _same("on_time", rows),
        }
        return pa.table([columns[name] for name in schema.names], names=schema.names).cast(schema)


def _same(text: str, rows: int) -> pa.Array:
    return pa.array([text]).take(pa.array(np.zeros(rows, dtype=np.int64)))


def _metrics(device: Numbers, at_us: Numbers, kind: pa.DataType) -> pa.Array:
    rows = len(device)
    values = np.empty((rows, len(METRICS)))
    phase = at_us / 1e6 / DAY_S * 2 * np.pi
    for place in range(len(METRICS)):
        # Two decimals, as sensors send them: noise would not compress as readings do.
        values[:, place] = np.round(20 * (place + 1) + 5 * np.sin(phase + device) + at_us % 97 / 100, 2)
    keys = pa.array(list(METRICS)).take(pa.array(np.tile(np.arange(len(METRICS)), rows)))
    offsets = pa.array(np.arange(0, (rows + 1) * len(METRICS), len(METRICS), dtype=np.int32))
    return pa.MapArray.from_arrays(offsets, keys, pa.array(values.ravel())).cast(kind)


def open_lake(folder: Path) -> SqlCatalog:
    """Open a lake in a folder, with the project's tables; manifests are merged as Flink's commits do it."""
    folder.mkdir(parents=True)
    place = {"uri": f"sqlite:///{folder}/catalog.db", "warehouse": folder.as_uri(), "schema_version": "v1"}
    lake = SqlCatalog("lake", **place)
    apply_tables(lake)
    with lake.load_table("iot.readings").transaction() as transaction:
        transaction.set_properties({"commit.manifest-merge.enabled": "true"})
    return lake


class Written(NamedTuple):
    """One commit: its files, its rows, and the CPU seconds of writing and committing it."""

    files: list[DataFile]
    rows: int
    cpu_s: float


def write(lake: SqlCatalog, rows: pa.Table, checkpoint: int) -> Written:
    """Append rows as a checkpoint does."""
    began_s = time.process_time()
    table = lake.load_table("iot.readings")
    files = data_files(table, rows)
    commit(table, files, checkpoint)
    return Written(files, rows.num_rows, time.process_time() - began_s)


def data_files(table: Table, rows: pa.Table) -> list[DataFile]:
    """Write rows to files of a table that are not committed yet."""
    return list(_dataframe_to_data_files(table.metadata, rows, table.io))


def commit(table: Table, files: list[DataFile], checkpoint: int) -> None:
    """Append files that are written already."""
    summary = {
        "flink.job-id": "b" * 32,
        "flink.operator-id": "bench",
        "flink.max-committed-checkpoint-id": str(checkpoint),
    }
    with table.transaction() as transaction:
        update = transaction.update_snapshot(snapshot_properties=summary)
        with update.merge_append() as append:
            for file in files:
                append.append_data_file(file)


def linked(file: DataFile, folder: Path, number: int) -> DataFile:
    """Give a data file a second name in another lake: the same bytes, and none may be changed."""
    copy = DataFile.from_args(**{name: getattr(file, name) for name in _FIELDS})
    path = folder / f"{number}.parquet"
    os.link(urlparse(file.file_path).path, path)
    copy[1] = path.as_uri()
    return copy


_FIELDS: Final = (
    "content", "file_path", "file_format", "partition", "record_count", "file_size_in_bytes", "column_sizes",
    "value_counts", "null_value_counts", "nan_value_counts", "lower_bounds", "upper_bounds", "split_offsets",
)  # fmt: skip


def spans(from_s: int, to_s: int, parts: int) -> Iterator[tuple[int, int]]:
    """Cut a span of seconds into equal parts."""
    length = (to_s - from_s) // parts
    for place in range(parts):
        yield from_s + place * length, from_s + (place + 1) * length


def hours(from_s: int, to_s: int) -> Iterator[tuple[int, int]]:
    """Cut a span of seconds into hours."""
    return spans(from_s, to_s, (to_s - from_s) // _CHUNK_S)
