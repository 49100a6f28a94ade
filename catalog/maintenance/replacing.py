"""One commit that takes data files out of a table and puts others in, and keeps its manifests few.

The commit knows the files by name. When somebody else commits first it is planned again on what they left:
an append changes nothing for it, and a file that is gone by then refuses it.
"""

from collections.abc import Collection, Iterable, Sequence
from functools import cached_property
from typing import Final, NamedTuple

from pyiceberg.exceptions import ValidationException
from pyiceberg.manifest import DataFile, ManifestContent, ManifestEntry, ManifestEntryStatus, ManifestFile
from pyiceberg.table import Table, Transaction
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.snapshots import Operation, Summary
from pyiceberg.table.update import TableUpdate
from pyiceberg.table.update.snapshot import _SnapshotProducer

from catalog.maintenance.manifests import live_entries
from millrace.phrases import counted

WRITER: Final = "millrace.writer"
# Manifests below this size are written together once there are so many.
_LARGE_MANIFEST_BYTES: Final = 1 << 20
_MANY_SMALL: Final = 12
_ENTRIES_PER_MANIFEST: Final = 5_000


class Swap(NamedTuple):
    """Files that leave, files that come, and what the snapshot says of itself.

    `operation` is REPLACE when the rows stay the same, DELETE when rows leave.
    """

    gone: Collection[DataFile]
    new: Iterable[DataFile]
    operation: Operation
    summary: dict[str, str]


def commit(table: Table, swap: Swap, properties: dict[str, str] | None = None) -> int:
    """Commit a swap, and properties of the table with it; return its snapshot's id.

    ValidationException when a file that should leave is gone already; CommitFailedException when others
    keep winning.
    """
    with _Light(table) as transaction:
        producer = _Swapping(swap, transaction, table)
        producer.commit()
        if properties:
            transaction.set_properties(properties)
    return producer.snapshot_id


class _Light(Transaction):
    """A transaction that copies the table's metadata once a change, not each time somebody looks at it."""

    def __init__(self, table: Table) -> None:
        super().__init__(table)
        self._looked: tuple[TableMetadata, tuple[TableUpdate, ...], TableMetadata] | None = None

    @property
    def table_metadata(self) -> TableMetadata:
        """Return the metadata with the changes so far; not to be changed."""
        base, updates = self._table.metadata, self._updates
        if not updates:
            return base
        if self._looked is None or self._looked[0] is not base or self._looked[1] is not updates:
            self._looked = (base, updates, super().table_metadata)
        return self._looked[2]


class _Swapping(_SnapshotProducer["_Swapping"]):
    """PyIceberg's producer of snapshots, for commits whose files are all known."""

    def __init__(self, swap: Swap, transaction: Transaction, table: Table) -> None:
        super().__init__(swap.operation, transaction, table.io, snapshot_properties=swap.summary)
        self._gone = {file.file_path for file in swap.gone}
        for file in swap.gone:
            self.delete_data_file(file)
        for file in swap.new:
            self.append_data_file(file)

    def _validate_concurrency(self) -> None:
        """Nothing that others add matters; what they took out shows when the entries are looked for."""

    def _build_delete_files_partition_predicate(self) -> None:
        """Files are found by name."""

    def _refresh_for_retry(self) -> None:
        super()._refresh_for_retry()
        self.__dict__.pop("_planned", None)

    @cached_property
    def _planned(self) -> tuple[list[ManifestFile], list[ManifestEntry]]:
        kept: list[ManifestFile] = []
        loose: list[ManifestEntry] = []
        deleted: list[ManifestEntry] = []
        manifests = self._manifests_now()
        many = sum(self._is_small(manifest) for manifest in manifests) > _MANY_SMALL
        for manifest in manifests:
            entries = self._opened(manifest, anew=many and self._is_small(manifest))
            if entries is None:
                kept.append(manifest)
                continue
            for entry in entries:
                leaves = entry.data_file.file_path in self._gone
                (deleted if leaves else loose).append(self._copied(entry, leaves=leaves))
        missing = self._gone - {entry.data_file.file_path for entry in deleted}
        if missing:
            raise ValidationException(
                f"already gone: {counted(len(missing), 'file')}, such as {min(missing)}"
            )
        return kept + self._written(loose), deleted

    def _manifests_now(self) -> list[ManifestFile]:
        metadata = self._transaction.table_metadata
        snapshot = metadata.snapshot_by_id(self._parent_snapshot_id) if self._parent_snapshot_id else None
        found = snapshot.manifests(self._io) if snapshot else []
        # One that only tells what an earlier snapshot deleted says nothing of the files there are.
        return [one for one in found if one.has_added_files() or one.has_existing_files()]

    def _is_small(self, manifest: ManifestFile) -> bool:
        mine = manifest.partition_spec_id == self._transaction.table_metadata.default_spec_id
        return (
            manifest.content == ManifestContent.DATA
            and mine
            and manifest.manifest_length < _LARGE_MANIFEST_BYTES
        )

    def _opened(self, manifest: ManifestFile, *, anew: bool) -> Sequence[ManifestEntry] | None:
        """Return the live entries of a manifest that is to be written anew, None when it stays."""
        if manifest.content != ManifestContent.DATA:
            return None
        entries = live_entries(self._io, manifest)
        touched = any(entry.data_file.file_path in self._gone for entry in entries)
        return entries if anew or touched else None

    def _copied(self, entry: ManifestEntry, *, leaves: bool) -> ManifestEntry:
        copy: ManifestEntry = ManifestEntry.from_args(
            status=ManifestEntryStatus.DELETED if leaves else ManifestEntryStatus.EXISTING,
            snapshot_id=self._snapshot_id if leaves else entry.snapshot_id,
            sequence_number=entry.sequence_number,
            file_sequence_number=entry.file_sequence_number,
            data_file=entry.data_file,
        )
        return copy

    def _written(self, entries: list[ManifestEntry]) -> list[ManifestFile]:
        """Write entries by partitioning and partition, so that a reader opens only manifests of its time."""
        found: list[ManifestFile] = []
        for spec_id in sorted({entry.data_file.spec_id for entry in entries}):
            mine = [entry for entry in entries if entry.data_file.spec_id == spec_id]
            mine.sort(key=lambda entry: (str(entry.data_file.partition), entry.sequence_number or 0))
            for begin in range(0, len(mine), _ENTRIES_PER_MANIFEST):
                with self.new_manifest_writer(self.spec(spec_id)) as writer:
                    for entry in mine[begin : begin + _ENTRIES_PER_MANIFEST]:
                        writer.add_entry(entry)
                found.append(writer.to_manifest_file())
        return found

    def _existing_manifests(self) -> list[ManifestFile]:
        return self._planned[0]

    def _deleted_entries(self) -> list[ManifestEntry]:
        return self._planned[1]

    def _summary(self, snapshot_properties: dict[str, str] | None = None) -> Summary:
        # PyIceberg sums up the same figures for a replacement but does not know the word.
        asked, self._operation = self._operation, Operation.OVERWRITE
        try:
            summary = super()._summary(self.snapshot_properties)
        finally:
            self._operation = asked
        return summary.model_copy(update={"operation": asked})
