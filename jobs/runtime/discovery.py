"""Finds the jobs: every job file of `jobs/`, grouped so that each source is read once."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import ceil
from pathlib import Path

from jobs.runtime.job_file import JobFile, read_job_files
from jobs.runtime.sources import Source, sources
from millrace.errors import MillraceError

FOLDER = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, kw_only=True)
class Job:
    """One Flink job: all INSERTs that live on the same source, and the views and steps they need in order."""

    name: str
    views: tuple[JobFile, ...]
    inserts: tuple[JobFile, ...]

    @property
    def writes(self) -> list[str]:
        """Return the tables and topics its INSERTs write, by position."""
        return [table for file in self.inserts for table in file.header.writes]

    @property
    def batch_ms(self) -> int:
        """For how long the job gathers work for a Python function, as its source says."""
        return min(source.batch_ms for source in self._sources())

    def subtasks(self, parallelism: int) -> int:
        """Return how many subtasks it has: what an INSERT asks for, else a share of the stack's."""
        asked = [file.header.parallelism for file in self.inserts if file.header.parallelism]
        share = max(source.share for source in self._sources())
        return max(asked, default=ceil(parallelism * share))

    def _sources(self) -> Iterator[Source]:
        """Yield what the job reads; a topic that it writes may have its name."""
        read = {name for file in (*self.views, *self.inserts) for name in file.header.reads}
        return (source for name, source in sources().items() if name in read)


def find_jobs(folder: Path = FOLDER) -> list[Job]:
    """Plan the job files of a folder into as few Flink jobs as there are sources read."""
    found = read_job_files(folder)
    files = {name: file for file in found for name in file.provides}
    inserts = [file for file in found if file.kind == "insert"]
    roots = {file.name: _root(file, files) for file in inserts}
    return [
        _job(name, [file for file in inserts if roots[file.name] == name], files)
        for name in sorted(set(roots.values()))
    ]


def _job(name: str, inserts: list[JobFile], files: dict[str, JobFile]) -> Job:
    inserts = sorted(inserts, key=lambda file: file.header.position or 0)
    free = 1 + max(file.header.position or 0 for file in inserts)
    for before, after in pairwise(inserts):
        if before.header.position == after.header.position:
            raise MillraceError(
                f"position {after.header.position} of job {name} is that of {before.name} already",
                where=f"jobs/{after.name}.sql",
                mend=f"Give the newer of the two the next free number, {free}.",
            )
    views: dict[str, JobFile] = {}
    for file in inserts:
        _collect(file, files, views)
    return Job(name=name, views=tuple(views.values()), inserts=tuple(inserts))


def _collect(file: JobFile, files: dict[str, JobFile], views: dict[str, JobFile]) -> None:
    for name in file.header.reads:
        if name in files and files[name].name not in views:
            _collect(files[name], files, views)
            views[files[name].name] = files[name]


def _root(file: JobFile, files: dict[str, JobFile]) -> str:
    found = {_follow(name, file, files) for name in file.header.reads}
    if len(found) != 1:
        raise MillraceError(
            f"job {file.name} reads {len(found)} sources",
            where=f"jobs/{file.name}.sql",
            mend="Read one source.",
        )
    return found.pop()


def _follow(name: str, file: JobFile, files: dict[str, JobFile]) -> str:
    if name in sources():
        return sources()[name].job
    if name not in files:
        raise MillraceError(
            f"`reads: {name}` names neither a source nor a view",
            where=f"jobs/{file.name}.sql",
            mend="Correct the header.",
        )
    return _root(files[name], files)
