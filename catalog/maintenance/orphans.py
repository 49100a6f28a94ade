"""Files below a table's location that nothing names: what a crash left, and what nobody could clear away.

A file is young until it is sure that nobody will still commit it. A stream that is down may commit on its
return what it wrote after its last commit, however long ago that is; so age counts from that commit on.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from pyarrow import fs
from pyiceberg.io.pyarrow import PyArrowFileIO
from pyiceberg.table import Table

from catalog.maintenance.committers import last_commit_ms
from catalog.maintenance.reach import Reach
from catalog.maintenance.rewriting import discard

SAFE_AGE_MS: Final = 3 * 86_400_000


class Orphans(NamedTuple):
    """Files deleted and their bytes."""

    files: int = 0
    size_bytes: int = 0


def remove_orphans(table: Table, reach: Reach, now_ms: int, safe_age_ms: int = SAFE_AGE_MS) -> Orphans:
    """Delete files that no snapshot and no kept metadata names and that are older than the safe age (ms)."""
    before_ms = min(now_ms, last_commit_ms(table.metadata) or now_ms) - safe_age_ms
    listed = list(_listed(table))
    # Named after listing: what was committed in between is then among what is named.
    table.refresh()
    named = {_place(path) for path in _named(table, reach)}
    found = [one for one in listed if one.at_ms < before_ms and _place(one.path) not in named]
    for one in found:
        discard(table, one.path)
    return Orphans(len(found), sum(one.size_bytes for one in found))


def _named(table: Table, reach: Reach) -> set[str]:
    metadata = table.metadata
    paths = reach.paths(table, metadata.snapshots)
    paths.add(table.metadata_location)
    paths.update(entry.metadata_file for entry in metadata.metadata_log)
    paths.update(file.statistics_path for file in metadata.statistics)
    paths.update(file.statistics_path for file in metadata.partition_statistics)
    return paths


class _Listed(NamedTuple):
    path: str
    at_ms: int
    size_bytes: int


def _listed(table: Table) -> Iterator[_Listed]:
    location = table.location().rstrip("/")
    scheme, host, root = PyArrowFileIO.parse_location(location, table.io.properties)
    files = PyArrowFileIO(table.io.properties).fs_by_scheme(scheme, host)
    for found in files.get_file_info(fs.FileSelector(root, recursive=True, allow_not_found=True)):
        if found.type == fs.FileType.File and found.mtime_ns is not None:
            path = location + found.path.removeprefix(root)
            yield _Listed(path, found.mtime_ns // 1_000_000, found.size)


def _place(path: str) -> str:
    """Return a path as both Java and Python mean it: `file:/a`, `file:///a` and `/a` are one file."""
    scheme, colon, rest = path.partition(":")
    if not colon or scheme == "file":
        return "/" + (rest if colon else path).lstrip("/")
    return "s3:" + rest if scheme in {"s3a", "s3n"} else path
