"""Which state a job starts from: its newest savepoint or retained checkpoint."""

from pathlib import Path


def newest_state(folder: Path, name: str) -> Path | None:
    """Return the newest complete savepoint or checkpoint of a job, or None before the first.

    Savepoints lie in `<folder>/savepoints/<name>/`, checkpoints in `<folder>/checkpoints/<job id>/chk-N`;
    `<folder>/jobs/<name>/` holds one empty file per job id that ran under the name.
    """
    job_ids = [path.name for path in (folder / "jobs" / name).glob("*")]
    checkpoints = [
        path for job_id in job_ids for path in (folder / "checkpoints" / job_id).glob("chk-*/_metadata")
    ]
    savepoints = list((folder / "savepoints" / name).glob("savepoint-*/_metadata"))
    found = sorted(checkpoints + savepoints, key=lambda path: path.stat().st_mtime_ns)
    return found[-1].parent if found else None


def remember_job(folder: Path, name: str, job_id: str) -> None:
    """Note that a job id ran under a name, so that its checkpoints can be found again."""
    place = folder / "jobs" / name
    place.mkdir(parents=True, exist_ok=True)
    (place / job_id).touch()
