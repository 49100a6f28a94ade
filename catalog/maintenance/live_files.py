"""The data files a table consists of now, from its metadata alone."""

from typing import NamedTuple

from pyiceberg.manifest import DataFile, ManifestContent
from pyiceberg.partitioning import PartitionField
from pyiceberg.table import Table
from pyiceberg.transforms import TimeTransform

from catalog.maintenance.manifests import live_entries
from catalog.maintenance.plan import FileFigure
from catalog.time_slices import span_of


class Live(NamedTuple):
    """Data files by path, their figures, and whether rows are deleted by other files."""

    files: dict[str, DataFile]
    figures: list[FileFigure]
    has_deletes: bool


def live_files(table: Table) -> Live:
    """Read the manifests of the newest snapshot; files of an older partitioning are left out of `figures`."""
    snapshot = table.current_snapshot()
    if snapshot is None:
        return Live({}, [], has_deletes=False)
    written = {one.snapshot_id: one.timestamp_ms for one in table.metadata.snapshots}
    manifests = snapshot.manifests(table.io)
    files: dict[str, DataFile] = {}
    figures = []
    for manifest in manifests:
        if manifest.content != ManifestContent.DATA:
            continue
        for entry in live_entries(table.io, manifest):
            files[entry.data_file.file_path] = entry.data_file
            if entry.data_file.spec_id == table.metadata.default_spec_id:
                figures.append(_figure(table, entry.data_file, written.get(entry.snapshot_id or 0, 0)))
    return Live(files, figures, any(one.content == ManifestContent.DELETES for one in manifests))


def _figure(table: Table, file: DataFile, written_ms: int) -> FileFigure:
    field = time_field(table)
    span = span_of(file, field.source_id) if field else None
    timed = span is not None and span.from_ms > float("-inf")
    return FileFigure(
        path=file.file_path,
        partition=table.spec().partition_to_path(file.partition, table.schema()),
        from_ms=int(span.from_ms) if span and timed else 0,
        until_ms=int(span.until_ms) if span and timed else 0,
        rows=file.record_count,
        size_bytes=file.file_size_in_bytes,
        written_ms=written_ms,
    )


def time_field(table: Table) -> PartitionField | None:
    """Return the partition field that cuts time, None when the table has none."""
    for field in table.spec().fields:
        if isinstance(field.transform, TimeTransform):
            return field
    return None
