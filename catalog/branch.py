"""Changes of a table made aside, on a branch, and published to its readers in one commit."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import pyarrow as pa
from pyiceberg.exceptions import CommitFailedException
from pyiceberg.expressions import BooleanExpression
from pyiceberg.manifest import DataFile, ManifestEntryStatus
from pyiceberg.table import Table
from pyiceberg.table.refs import MAIN_BRANCH
from pyiceberg.table.snapshots import Operation, Snapshot

from catalog.maintenance.replacing import Swap, commit
from millrace.errors import MillraceError

_log = logging.getLogger("millrace.branch")
# A branch somebody forgot goes with an expiry after so long.
_MAX_AGE_MS: Final = 86_400_000
_WRITER: Final = "millrace.writer"


class Branch:
    """A branch that began where the table's readers stood; what is written to it they do not see."""

    def __init__(self, table: Table, name: str, writer: str) -> None:
        if table.current_snapshot() is None:
            # A branch needs something to begin with.
            table.append(table.schema().as_arrow().empty_table(), snapshot_properties={_WRITER: writer})
        base = table.current_snapshot()
        assert base is not None
        table.manage_snapshots().create_branch(base.snapshot_id, name, max_ref_age_ms=_MAX_AGE_MS).commit()
        self.table, self.name, self.base_id = table, name, base.snapshot_id
        self._properties = {_WRITER: writer}

    @property
    def is_unchanged(self) -> bool:
        """Whether nothing was written to it."""
        head = self.table.snapshot_by_name(self.name)
        return head is None or head.snapshot_id == self.base_id

    def append(self, rows: pa.Table) -> None:
        """Append rows in the table's own schema."""
        wanted = self.table.schema().as_arrow()
        fitting = rows.select(wanted.names).cast(wanted)
        self.table.append(fitting, branch=self.name, snapshot_properties=self._properties)

    def remove(self, condition: BooleanExpression) -> None:
        """Remove rows; files that hold others too are written anew without them."""
        self.table.delete(condition, branch=self.name, snapshot_properties=self._properties)

    def rows(self) -> pa.Table:
        """Return all rows as they would be once published on what the branch began with."""
        return self.table.scan().use_ref(self.name).to_arrow()

    def publish(self) -> int:
        """Let readers see it, all at once; return the snapshot they see then.

        Where others committed meanwhile, exactly the files that the branch added and removed are committed on
        top of theirs. ValidationException when a removed file is there no longer, CommitFailedException
        when others keep winning: nothing is published then. MillraceError when somebody dropped the branch.
        """
        self.table.refresh()
        if self.name not in self.table.metadata.refs:
            raise MillraceError(
                f"branch {self.name} was dropped meanwhile",
                where=".".join(self.table.name()),
                mend="Begin again: a device of it may have been forgotten.",
            )
        if not self._forwarded():
            self._transplant()
        published = self.table.current_snapshot()
        assert published is not None
        return published.snapshot_id

    def drop(self) -> None:
        """Remove the branch; what was published stays."""
        self.table.refresh()
        if self.name in self.table.metadata.refs:
            self.table.manage_snapshots().remove_branch(self.name).commit()

    def _forwarded(self) -> bool:
        main = self.table.current_snapshot()
        if main is None or main.snapshot_id != self.base_id:
            return False
        try:
            self.table.manage_snapshots().set_current_snapshot(ref_name=self.name).commit()
        except CommitFailedException:
            _log.info("another writer committed to %s meanwhile", ".".join(self.table.name()))
            self.table.refresh()
            return False
        self.table.refresh()
        return True

    def _transplant(self) -> None:
        added, removed = self._changed_files()
        if not added and not removed:
            return
        if removed:
            commit(self.table, Swap(removed, added, Operation.OVERWRITE, self._properties))
            return
        with self.table.transaction() as transaction:
            update = transaction.update_snapshot(snapshot_properties=self._properties, branch=MAIN_BRANCH)
            with update.fast_append() as producer:
                for file in added:
                    producer.append_data_file(file)

    def _changed_files(self) -> tuple[list[DataFile], list[DataFile]]:
        added: dict[str, DataFile] = {}
        removed: dict[str, DataFile] = {}
        for snapshot in self._own_snapshots():
            for manifest in snapshot.manifests(self.table.io):
                if manifest.added_snapshot_id != snapshot.snapshot_id:
                    continue
                for entry in manifest.fetch_manifest_entry(self.table.io, discard_deleted=False):
                    if entry.snapshot_id != snapshot.snapshot_id:
                        continue
                    if entry.status == ManifestEntryStatus.ADDED:
                        added[entry.data_file.file_path] = entry.data_file
                    elif entry.status == ManifestEntryStatus.DELETED:
                        removed[entry.data_file.file_path] = entry.data_file
        return (
            [file for path, file in added.items() if path not in removed],
            [file for path, file in removed.items() if path not in added],
        )

    def _own_snapshots(self) -> Iterator[Snapshot]:
        snapshot = self.table.snapshot_by_name(self.name)
        while snapshot is not None and snapshot.snapshot_id != self.base_id:
            yield snapshot
            parent = snapshot.parent_snapshot_id
            snapshot = self.table.snapshot_by_id(parent) if parent is not None else None


@contextmanager
def branch_of(table: Table, name: str, writer: str) -> Iterator[Branch]:
    """Begin a branch, and drop it at the end, published or not."""
    branch = Branch(table, name, writer)
    try:
        yield branch
    finally:
        branch.drop()
