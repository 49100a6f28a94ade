"""The files in which a table holds rows of a device: now, and in every snapshot it keeps."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

import pyarrow as pa
from pyiceberg.io.pyarrow import ArrowScan
from pyiceberg.manifest import DataFile
from pyiceberg.table import FileScanTask, Table
from pyiceberg.table.snapshots import Snapshot

from catalog.forgetting.conditions import Belonging
from catalog.forgetting.owner import Owner
from catalog.table_types import arrow_schema, concat_rows, to_table_types

PLACE: Final = ("kafka_partition", "kafka_offset", "received_at")


class Held(NamedTuple):
    """A file with rows of the device, and how many of these name it in their bytes only."""

    file: DataFile
    rows: int
    rows_in_bytes: int


class Search:
    """Looks for a device in the files of one table; a file never changes, so each is opened once."""

    def __init__(self, table: Table, owner: Owner) -> None:
        self.table, self.belonging, self._owner = table, Belonging(table, owner), owner
        self._manifests: dict[str, list[DataFile]] = {}
        self._known: dict[str, Held] = {}

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
        wanted = arrow_schema(self.table.schema().select(*PLACE))
        return concat_rows((rows for one in held for rows in self._rows(one.file, PLACE)), wanted)

    def _held(self, files: Iterable[DataFile]) -> list[Held]:
        unique = {file.file_path: file for file in files}
        return [held for file in unique.values() if (held := self._counted(file)).rows]

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
        nulls = (file.null_value_counts or {}).get(schema.find_field("device_id").field_id)
        if self.belonging.has_letters and nulls != 0:
            return True
        for name, text in self._owner._asdict().items():
            field_id = schema.find_field(name).field_id
            least, greatest = (file.lower_bounds or {}).get(field_id), (file.upper_bounds or {}).get(field_id)
            if (least is not None and text.encode() < least) or (
                greatest is not None and text.encode() > greatest
            ):
                return False
        return True

    def _counted(self, file: DataFile) -> Held:
        if file.file_path not in self._known:
            rows = in_bytes = 0
            for found in self._rows(file):
                rows += found.num_rows
                in_bytes += int(self.belonging.named_in_bytes(found).sum())
            self._known[file.file_path] = Held(file, rows, in_bytes)
        return self._known[file.file_path]

    def _rows(self, file: DataFile, more: Sequence[str] = ()) -> Iterator[pa.Table]:
        """Read the device's rows of a file, with what tells that they are its own."""
        schema = self.table.schema().select(*self.belonging.columns, *more)
        scan = ArrowScan(self.table.metadata, self.table.io, schema, self.belonging.may_be)
        wanted = arrow_schema(schema)
        for batch in scan.to_record_batches([FileScanTask(file)]):
            rows = to_table_types(batch, wanted)
            yield rows.filter(pa.array(self.belonging.of(rows)))
