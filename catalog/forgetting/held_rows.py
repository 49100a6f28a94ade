"""The files in which a table holds rows of a device: now, and in every snapshot it keeps."""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

import pyarrow as pa
from pyiceberg.io.pyarrow import ArrowScan
from pyiceberg.manifest import DataFile
from pyiceberg.table import FileScanTask, Table
from pyiceberg.table.snapshots import Snapshot

from catalog.forgetting.conditions import rows_of
from catalog.forgetting.owner import Owner

PLACE: Final = ("kafka_partition", "kafka_offset", "received_at")


class Held(NamedTuple):
    """A file with rows of the device."""

    file: DataFile
    rows: int


class Search:
    """Looks for a device in the files of one table; a file never changes, so each is opened once."""

    def __init__(self, table: Table, owner: Owner) -> None:
        self.table, self._owner = table, owner
        self._manifests: dict[str, list[DataFile]] = {}
        self._rows: dict[str, int] = {}

    def now(self) -> list[Held]:
        """Return the files of the newest snapshot that hold rows."""
        snapshot = self.table.current_snapshot()
        return self._held([] if snapshot is None else self._files([snapshot]))

    def ever(self) -> list[Held]:
        """Return the files of all snapshots that hold rows."""
        return self._held(self._files(self.table.metadata.snapshots))

    def snapshots(self) -> list[Snapshot]:
        """Return the snapshots in which the device can be found."""
        return [one for one in self.table.metadata.snapshots if self._held(self._files([one]))]

    def places(self, held: Iterable[Held]) -> pa.Table:
        """Return where the rows of these files lay in Kafka."""
        schema = self.table.schema().select(*PLACE)
        scan = ArrowScan(self.table.metadata, self.table.io, schema, rows_of(self._owner))
        return scan.to_table([FileScanTask(one.file) for one in held])

    def _held(self, files: Iterable[DataFile]) -> list[Held]:
        unique = {file.file_path: file for file in files}
        return [Held(file, rows) for file in unique.values() if (rows := self._count(file))]

    def _files(self, snapshots: Iterable[Snapshot]) -> Iterator[DataFile]:
        for snapshot in snapshots:
            for manifest in snapshot.manifests(self.table.io):
                known = self._manifests.get(manifest.manifest_path)
                if known is None:
                    entries = manifest.fetch_manifest_entry(self.table.io, discard_deleted=True)
                    known = [entry.data_file for entry in entries if self._may_hold(entry.data_file)]
                    self._manifests[manifest.manifest_path] = known
                yield from known

    def _may_hold(self, file: DataFile) -> bool:
        schema = self.table.schema()
        for name, text in self._owner._asdict().items():
            field_id = schema.find_field(name).field_id
            least, greatest = (file.lower_bounds or {}).get(field_id), (file.upper_bounds or {}).get(field_id)
            if (least is not None and text.encode() < least) or (
                greatest is not None and text.encode() > greatest
            ):
                return False
        return True

    def _count(self, file: DataFile) -> int:
        if file.file_path not in self._rows:
            schema = self.table.schema().select("device_id")
            scan = ArrowScan(self.table.metadata, self.table.io, schema, rows_of(self._owner))
            batches = scan.to_record_batches([FileScanTask(file)])
            self._rows[file.file_path] = sum(batch.num_rows for batch in batches)
        return self._rows[file.file_path]
