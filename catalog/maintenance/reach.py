"""The files that snapshots name: manifest lists, manifests and data files."""

from collections.abc import Iterable

from pyiceberg.table import Table
from pyiceberg.table.snapshots import Snapshot

from catalog.maintenance.manifests import live_entries


class Reach:
    """Remembers what a manifest names, since a manifest never changes; one table's at a time."""

    def __init__(self) -> None:
        self._lists: dict[str, list[str]] = {}
        self._manifests: dict[str, list[str]] = {}

    def paths(self, table: Table, snapshots: Iterable[Snapshot]) -> set[str]:
        """Return every file some snapshots of a table need."""
        found: set[str] = set()
        manifests: set[str] = set()
        for snapshot in snapshots:
            found.add(snapshot.manifest_list)
            manifests.update(self._of_list(table, snapshot))
        found |= manifests
        for path in manifests:
            found.update(self._manifests[path])
        return found

    def _of_list(self, table: Table, snapshot: Snapshot) -> list[str]:
        known = self._lists.get(snapshot.manifest_list)
        if known is not None:
            return known
        manifests = snapshot.manifests(table.io)
        for manifest in manifests:
            if manifest.manifest_path not in self._manifests:
                # Entries that say a file was deleted name a file that older snapshots hold: it counts there.
                entries = live_entries(table.io, manifest)
                self._manifests[manifest.manifest_path] = [one.data_file.file_path for one in entries]
        paths = [manifest.manifest_path for manifest in manifests]
        self._lists[snapshot.manifest_list] = paths
        return paths

    def forget_all_but(self, snapshots: Iterable[Snapshot]) -> None:
        """Keep in memory only what these snapshots name."""
        self._lists = {
            one.manifest_list: self._lists[one.manifest_list]
            for one in snapshots
            if one.manifest_list in self._lists
        }
        kept = {path for paths in self._lists.values() for path in paths}
        self._manifests = {path: names for path, names in self._manifests.items() if path in kept}
