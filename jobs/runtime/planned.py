"""What a submit would do: which job files are new or changed, and which state finds its operator again."""

import json
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from pyflink.java_gateway import get_gateway

from jobs.runtime.discovery import Job
from jobs.runtime.job_file import JobFile


class Submitted(NamedTuple):
    """What was submitted last under a job's name: its id, and a hash of each of its files."""

    job_id: str
    files: dict[str, str]


class State(NamedTuple):
    """The state a job would start from: where it lies, how many operators find theirs, which do not."""

    source: str | None
    kept: int
    lost: tuple[str, ...]


class Change(NamedTuple):
    """What a submit of a job would add, change and remove, and what becomes of its state."""

    job: str
    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    state: State

    def lines(self) -> tuple[str, str, str]:
        """Return the three lines a person reads: added, changed, state."""
        removed = f"; removed: {', '.join(self.removed)}" if self.removed else ""
        return (
            f"{self.job} added: {', '.join(self.added) or 'nothing'}",
            f"{self.job} changed: {', '.join(self.changed) or 'nothing'}{removed}",
            f"{self.job} state: {self._state()}",
        )

    def _state(self) -> str:
        state = self.state
        if state.source is None:
            return "none yet, the job starts from the beginning of its log"
        total = state.kept + len(state.lost)
        if not state.lost:
            return f"kept, {state.kept} of {total} operators, from {state.source}"
        what = f"LOST, {len(state.lost)} of {total} operators of {state.source} are gone"
        return f"{what}: {', '.join(state.lost)}; Flink refuses to start"


def digests(job: Job) -> dict[str, str]:
    """Return a hash of every file of a job, by its name."""
    return {file.name: _digest(file) for file in (*job.views, *job.inserts)}


def _digest(file: JobFile) -> str:
    return sha256(file.path.read_bytes()).hexdigest()


def remember(folder: Path, job: Job, job_id: str) -> None:
    """Note what was submitted, to compare with it later."""
    place = _place(folder, job.name)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(json.dumps(Submitted(job_id, digests(job))._asdict()))


def recall(folder: Path, name: str) -> Submitted | None:
    """Return what was submitted last under a name."""
    try:
        return Submitted(**json.loads(_place(folder, name).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def _place(folder: Path, name: str) -> Path:
    return folder / "submitted" / f"{name}.json"


def change(job: Job, before: Submitted | None, state: State) -> Change:
    """Compare a job's files with what was submitted; without it all of them are new."""
    old, new = before.files if before else {}, digests(job)
    return Change(
        job.name,
        added=tuple(sorted(new.keys() - old.keys())),
        changed=tuple(sorted(name for name in new.keys() & old.keys() if new[name] != old[name])),
        removed=tuple(sorted(old.keys() - new.keys())),
        state=state,
    )


def state_of(source: Path | None, uids: Sequence[str]) -> State:
    """Say of each operator with state in a savepoint or checkpoint whether a plan with these uids has it."""
    if source is None:
        return State(None, 0, ())
    jvm = get_gateway().jvm
    ids = {_operator_id(jvm, uid) for uid in uids}
    kept, lost = 0, []
    for one in _states(jvm, source):
        if one.getOperatorID().toHexString() in ids:
            kept += 1
        else:
            lost.append(_name(one))
    return State(source.name, kept, tuple(sorted(lost)))


def _operator_id(jvm: Any, uid: str) -> str:
    generator = jvm.org.apache.flink.runtime.jobgraph.OperatorID
    hashed = jvm.org.apache.flink.streaming.api.graph.StreamGraphHasherV2.generateUserSpecifiedHash(uid)
    return str(generator(hashed).toHexString())


def _states(jvm: Any, source: Path) -> list[Any]:
    stream = jvm.java.io.DataInputStream(jvm.java.io.FileInputStream(str(source / "_metadata")))
    try:
        loader = jvm.java.lang.Thread.currentThread().getContextClassLoader()
        checkpoints = jvm.org.apache.flink.runtime.checkpoint.Checkpoints
        found = checkpoints.loadCheckpointMetadata(stream, loader, source.as_uri()).getOperatorStates()
    finally:
        stream.close()
    return [one for one in found if _has_state(one)]


def _has_state(operator: Any) -> bool:
    """Tell as Flink does whether a plan without this operator could not be restored."""
    subtasks = operator.getSubtaskStates()
    return operator.getCoordinatorState() is not None or any(subtasks[key].hasState() for key in subtasks)


def _name(state: Any) -> str:
    uid, name = state.getOperatorUid(), state.getOperatorName()
    if uid.isPresent():
        return str(uid.get())
    return str(name.get()) if name.isPresent() else str(state.getOperatorID().toHexString())
