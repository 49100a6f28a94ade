"""Which data files of a snapshot may hold some rows, by the metadata alone.

Manifests never change, so each is read once in a process and kept as the bounds of its files.
"""

from bisect import bisect_left
from collections.abc import Sequence
from typing import Final, NamedTuple

from pyiceberg.expressions import GreaterThanOrEqual, LessThan
from pyiceberg.expressions.visitors import inclusive_projection, manifest_evaluator
from pyiceberg.io import FileIO
from pyiceberg.manifest import DataFile, ManifestContent, ManifestFile
from pyiceberg.table import Table
from pyiceberg.table.snapshots import Snapshot

from catalog.filters import every, moment, predicate
from catalog.kept import Kept
from catalog.time_slices import FileSpan, span_of
from millrace.errors import MillraceError

# About 400 bytes each.
_MOST_FILES: Final = 200_000
_MOST_LISTED: Final = 100_000


class Where(NamedTuple):
    """Rows of a tenant with [from_ms, to_ms) in their time column; of some devices, or of any (None)."""

    tenant: str
    from_ms: int
    to_ms: int
    devices: frozenset[str] | None
    time_column: str = "event_time"


class Bounds(NamedTuple):
    """What a column's values of a file or row group lie between; text as the bytes of its UTF-8."""

    least: bytes
    greatest: bytes | None


class StoredFile(NamedTuple):
    """A data file: times of its rows and how many there are, and whose they are."""

    span: FileSpan
    path: str
    tenants: Bounds
    devices: Bounds


class _Sought(NamedTuple):
    where: Where
    devices: Sequence[bytes] | None


def _weigh(files: Sequence[StoredFile]) -> int:
    return len(files) + 1


_files: Final = Kept[Sequence[StoredFile]](_MOST_FILES, _weigh)
_listed: Final = Kept[Sequence[ManifestFile]](_MOST_LISTED, len)


def planned(table: Table, snapshot: Snapshot, where: Where) -> list[StoredFile]:
    """Return the files that may hold such rows, in order of time; MillraceError when rows were deleted apart.

    Our tables are append or copy-on-write: a delete file comes from an engine that was set up otherwise.
    """
    sought = _Sought(where, None if where.devices is None else sorted(map(str.encode, where.devices)))
    found: list[StoredFile] = []
    for manifest in _relevant(table, snapshot, where):
        found += [file for file in _files_of(table, manifest, where.time_column) if _may_hold(file, sought)]
    return sorted(found)


def _relevant(table: Table, snapshot: Snapshot, where: Where) -> list[ManifestFile]:
    listed = _listed.get(snapshot.manifest_list, lambda: snapshot.manifests(table.io))
    if any(_deletes(one) for one in listed):
        raise MillraceError(
            f"table {'.'.join(table.name())} has delete files",
            where=f"snapshot {snapshot.snapshot_id}",
            mend="Rewrite it copy-on-write; merge-on-read is not used here.",
        )
    span = every(
        [
            predicate(GreaterThanOrEqual, where.time_column, moment(where.from_ms)),
            predicate(LessThan, where.time_column, moment(where.to_ms)),
        ]
    )
    tests = {
        spec_id: manifest_evaluator(spec, table.schema(), inclusive_projection(table.schema(), spec)(span))
        for spec_id, spec in table.specs().items()
    }
    return [
        one for one in listed if one.content == ManifestContent.DATA and tests[one.partition_spec_id](one)
    ]


def _deletes(manifest: ManifestFile) -> bool:
    is_live = manifest.has_added_files() or manifest.has_existing_files()
    return bool(manifest.content == ManifestContent.DELETES and is_live)


def _files_of(table: Table, manifest: ManifestFile, time_column: str) -> Sequence[StoredFile]:
    schema = table.schema()
    ids = tuple(schema.find_field(name).field_id for name in (time_column, "tenant", "device_id"))
    return _files.get(manifest.manifest_path, lambda: _read(table.io, manifest, ids))


def _read(io: FileIO, manifest: ManifestFile, ids: Sequence[int]) -> Sequence[StoredFile]:
    return tuple(_stored(entry.data_file, ids) for entry in manifest.fetch_manifest_entry(io))


def _stored(file: DataFile, ids: Sequence[int]) -> StoredFile:
    time_id, tenant_id, device_id = ids
    return StoredFile(
        span_of(file, time_id), file.file_path, _bounds(file, tenant_id), _bounds(file, device_id)
    )


def _bounds(file: DataFile, field_id: int) -> Bounds:
    return Bounds((file.lower_bounds or {}).get(field_id, b""), (file.upper_bounds or {}).get(field_id))


def _may_hold(file: StoredFile, sought: _Sought) -> bool:
    return (
        file.span.from_ms < sought.where.to_ms
        and file.span.until_ms >= sought.where.from_ms
        and lies_in(file.tenants, [sought.where.tenant.encode()])
        and (sought.devices is None or lies_in(file.devices, sought.devices))
    )


def lies_in(bounds: Bounds, names: Sequence[bytes]) -> bool:
    """Return whether one of some names in order may be among a column's values."""
    place = bisect_left(names, bounds.least)
    return place < len(names) and (bounds.greatest is None or names[place] <= bounds.greatest)
