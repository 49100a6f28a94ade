"""Which row groups of a data file may hold some rows, by its footer, which is read once in a process."""

from collections.abc import Iterable
from functools import partial
from typing import Any, Final, NamedTuple

import pyarrow.parquet as pq
from pyiceberg.io import FileIO

from catalog.kept import Kept
from catalog.snapshot_files import Bounds, Where, lies_in

# Row groups; one takes about 10 kB with all its columns.
_MOST_GROUPS: Final = 10_000
_ID: Final = b"PARQUET:field_id"


class RowGroup(NamedTuple):
    """A row group: how many rows it has, and what its times (us) and owners lie between."""

    rows: int
    from_us: int | None
    until_us: int | None
    tenants: Bounds
    devices: Bounds


class Footer(NamedTuple):
    """A file's footer; `columns` are its names by field id, for the table may have other names now."""

    metadata: pq.FileMetaData
    columns: dict[int, str]
    groups: tuple[RowGroup, ...]

    def chosen(self, where: Where) -> list[int]:
        """Return the row groups that may hold such rows."""
        devices = None if where.devices is None else sorted(map(str.encode, where.devices))
        tenant = [where.tenant.encode()]
        return [
            place
            for place, group in enumerate(self.groups)
            if (group.from_us is None or group.from_us < where.to_ms * 1000)
            and (group.until_us is None or group.until_us >= where.from_ms * 1000)
            and lies_in(group.tenants, tenant)
            and (devices is None or lies_in(group.devices, devices))
        ]


def _weigh(footer: Footer) -> int:
    return len(footer.groups) + 1


_kept: Final = Kept[Footer](_MOST_GROUPS, _weigh)


def footer_of(io: FileIO, path: str, ids: tuple[int, int, int], names: dict[int, str]) -> Footer:
    """Return the footer of a file; `ids` are the field ids of its time, tenant and device.

    A file that another engine wrote and a table took over has no ids: its columns go by their `names`.
    """
    return _kept.get(path, partial(_read, io, path, ids, names))


def _read(io: FileIO, path: str, ids: Iterable[int], names: dict[int, str]) -> Footer:
    with io.new_input(path).open() as source:
        metadata = pq.read_metadata(source)
    columns = _columns(metadata) or _present(metadata, names)
    leaves = {metadata.schema.column(place).path: place for place in range(metadata.num_columns)}
    places = [leaves[columns[field_id]] for field_id in ids]
    groups = (_group(metadata.row_group(place), places) for place in range(metadata.num_row_groups))
    return Footer(metadata, columns, tuple(groups))


def _columns(metadata: pq.FileMetaData) -> dict[int, str]:
    fields = metadata.schema.to_arrow_schema()
    return {int(field.metadata[_ID]): field.name for field in fields if _ID in (field.metadata or {})}


def _present(metadata: pq.FileMetaData, names: dict[int, str]) -> dict[int, str]:
    stored = set(metadata.schema.to_arrow_schema().names)
    return {field_id: name for field_id, name in names.items() if name in stored}


def _group(group: Any, places: list[int]) -> RowGroup:
    time, tenant, device = (group.column(place).statistics for place in places)
    from_us, until_us = (
        (time.min_raw, time.max_raw) if time is not None and time.has_min_max else (None, None)
    )
    return RowGroup(group.num_rows, from_us, until_us, _bounds(tenant), _bounds(device))


def _bounds(statistics: Any) -> Bounds:
    if statistics is None or not statistics.has_min_max:
        return Bounds(b"", None)
    return Bounds(statistics.min.encode(), statistics.max.encode())
