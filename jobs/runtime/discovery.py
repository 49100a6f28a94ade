"""Finds the jobs: every `.sql` file of `jobs/`, grouped so that each topic is read once."""

from dataclasses import dataclass
from pathlib import Path

from jobs.runtime.sql_file import SqlFile, read_sql_file
from millrace.contracts import topics
from millrace.errors import MillraceError

FOLDER = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, kw_only=True)
class Job:
    """One Flink job: all INSERTs that live on the same topic, and the views they need in order."""

    name: str
    views: tuple[SqlFile, ...]
    inserts: tuple[SqlFile, ...]


def find_jobs(folder: Path = FOLDER) -> list[Job]:
    """Plan the job files of a folder into as few Flink jobs as there are topics read."""
    files = {file.name: file for file in map(read_sql_file, sorted(folder.glob("*.sql")))}
    inserts = [file for file in files.values() if file.kind == "insert"]
    roots = {file.name: _root(file, files) for file in inserts}
    return [
        _job(topic, [file for file in inserts if roots[file.name] == topic], files)
        for topic in sorted(set(roots.values()))
    ]


def _job(topic: str, inserts: list[SqlFile], files: dict[str, SqlFile]) -> Job:
    views: dict[str, SqlFile] = {}
    for file in inserts:
        _collect(file, files, views)
    return Job(name=topic, views=tuple(views.values()), inserts=tuple(inserts))


def _collect(file: SqlFile, files: dict[str, SqlFile], views: dict[str, SqlFile]) -> None:
    for name in file.header.reads:
        if name in files and name not in views:
            _collect(files[name], files, views)
            views[name] = files[name]


def _root(file: SqlFile, files: dict[str, SqlFile]) -> str:
    found = {_follow(name, file, files) for name in file.header.reads}
    if len(found) != 1:
        raise MillraceError(
            f"job {file.name} reads {len(found)} topics",
            where=f"jobs/{file.name}.sql",
            mend="Read one topic.",
        )
    return found.pop()


def _follow(name: str, file: SqlFile, files: dict[str, SqlFile]) -> str:
    if name in topics():
        return name
    if name not in files:
        raise MillraceError(
            f"`reads: {name}` names neither a topic nor a view",
            where=f"jobs/{file.name}.sql",
            mend="Correct the header.",
        )
    return _root(files[name], files)
