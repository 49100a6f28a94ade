"""Which devices the lake holds readings of, warm and archived, and the newest event time of each.

Files never change, so each is read once in a process: by its bounds where all rows are of one device, by its
footer where a row group is, and by three columns of the row groups that are left.
"""

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyiceberg.io import FileIO
from pyiceberg.table import Table

from catalog.footers import Footer, RowGroup, footer_of
from catalog.kept import Kept
from catalog.snapshot_files import Bounds, StoredFile, Where, planned

Owner = tuple[str, str]
_Newest = Mapping[Owner, int]
# Devices of files; one takes about 200 bytes.
_MOST_ENTRIES: Final = 500_000
_TRUNCATED_CHARACTERS: Final = 16
# The end of the year 9999, the last that a condition can name.
_END_MS: Final = 253_402_300_799_999
_COLUMNS: Final = ("event_time", "tenant", "device_id")


def _weigh(newest: _Newest) -> int:
    return len(newest) + 1


_files: Final = Kept[_Newest](_MOST_ENTRIES, _weigh)
_metric_files: Final = Kept[frozenset[str]](_MOST_ENTRIES, len)


def stored_devices(tables: Iterable[Table], tenant: str, device_id: str | None = None) -> dict[str, int]:
    """Return the devices of a tenant, or the one named, with the newest event time of each, epoch ms."""
    found: dict[str, int] = {}
    for table in tables:
        snapshot = table.current_snapshot()
        where = Where(tenant, 0, _END_MS, None if device_id is None else frozenset({device_id}))
        for file in planned(table, snapshot, where) if snapshot else ():
            for (owner, name), newest_ms in _of_file(table, file).items():
                if owner == tenant and device_id in (None, name):
                    found[name] = max(newest_ms, found.get(name, 0))
    return found


def stored_metrics(rollups: Table, tenant: str) -> set[str]:
    """Return the metrics of which a tenant has minutes; of a file of several tenants those of all."""
    snapshot = rollups.current_snapshot()
    where = Where(tenant, 0, _END_MS, None, "window_start")
    files = planned(rollups, snapshot, where) if snapshot else []
    found = (_metric_files.get(file.path, partial(_metrics_in, rollups.io, file.path)) for file in files)
    return set().union(*found)


def _metrics_in(io: FileIO, path: str) -> frozenset[str]:
    with io.new_input(path).open() as source:
        column = pq.ParquetFile(source, read_dictionary=["metric"]).read(["metric"])["metric"]
    return frozenset(name for chunk in column.chunks for name in chunk.dictionary.to_pylist())


def _of_file(table: Table, file: StoredFile) -> _Newest:
    owner = _single(file.tenants, file.devices)
    if owner and file.span.until_ms != float("inf"):
        return {owner: int(file.span.until_ms)}
    return _files.get(file.path, lambda: _read(table, file.path))


def _single(tenants: Bounds, devices: Bounds) -> Owner | None:
    """Return the owner of all rows between these bounds, None when there may be several.

    Bounds of a manifest are cut to 16 characters: names of several devices then begin alike.
    """
    if tenants.least != tenants.greatest or devices.least != devices.greatest or not devices.least:
        return None
    names = tenants.least.decode(errors="replace"), devices.least.decode(errors="replace")
    return names if max(map(len, names)) < _TRUNCATED_CHARACTERS else None


def _read(table: Table, path: str) -> _Newest:
    fields = {name: table.schema().find_field(name).field_id for name in _COLUMNS}
    names = {field.field_id: field.name for field in table.schema().fields}
    time_id, tenant_id, device_id = (fields[name] for name in _COLUMNS)
    footer = footer_of(table.io, path, (time_id, tenant_id, device_id), names)
    newest: dict[Owner, int] = {}
    mixed = []
    for place, group in enumerate(footer.groups):
        owner = _single(group.tenants, group.devices)
        if owner is None or group.until_us is None:
            mixed.append(place)
        else:
            newest[owner] = max(newest.get(owner, 0), _until_ms(group))
    columns = [footer.columns[fields[name]] for name in _COLUMNS]
    for owner, until_ms in _of_groups(table.io, path, footer, mixed, columns).items() if mixed else ():
        newest[owner] = max(newest.get(owner, 0), until_ms)
    return newest


def _until_ms(group: RowGroup) -> int:
    return (group.until_us or 0) // 1000


def _of_groups(io: FileIO, path: str, footer: Footer, groups: list[int], columns: list[str]) -> _Newest:
    time, tenant, device = columns
    with io.new_input(path).open() as source:
        parquet = pq.ParquetFile(source, metadata=footer.metadata, read_dictionary=[tenant, device])
        rows = parquet.read_row_groups(groups, columns)
    plain = pa.table(
        {
            "tenant": rows[tenant].cast(pa.string()),
            "device": rows[device].cast(pa.string()),
            "time": pc.cast(rows[time], pa.int64()),
        }
    )
    newest = plain.group_by(["tenant", "device"]).aggregate([("time", "max")])
    times_ms = newest["time_max"].to_numpy() // 1000
    owners = zip(newest["tenant"].to_pylist(), newest["device"].to_pylist(), strict=True)
    return dict(zip(owners, np.asarray(times_ms).tolist(), strict=True))
