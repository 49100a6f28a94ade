"""Manifests as they are read: each once in a process, since none ever changes."""

from collections.abc import Sequence
from typing import Final

from pyiceberg.io import FileIO
from pyiceberg.manifest import ManifestEntry, ManifestFile

from catalog.kept import Kept

# With their statistics about 8 kB each.
_MOST_ENTRIES: Final = 20_000


def _weigh(entries: Sequence[ManifestEntry]) -> int:
    return len(entries) + 1


_read: Final = Kept[Sequence[ManifestEntry]](_MOST_ENTRIES, _weigh)


def live_entries(io: FileIO, manifest: ManifestFile) -> Sequence[ManifestEntry]:
    """Return the entries of files that are there; they belong to all readers and are not to be changed."""
    return _read.get(
        manifest.manifest_path, lambda: tuple(manifest.fetch_manifest_entry(io, discard_deleted=True))
    )
