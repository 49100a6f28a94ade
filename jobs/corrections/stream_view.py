"""What Flink's REST interface says of a job: its watermark behind the windows, and its checkpoints."""

from typing import Any, Final, NamedTuple

import httpx

from jobs.runtime.cluster import ALIVE
from millrace.settings import Settings

_NOT_YET: Final = -(1 << 63)
_TIMEOUT_S: Final = 5


class StreamView(NamedTuple):
    """One look at a running job; checkpoint ids are -1 before the first."""

    job_id: str
    incarnation: str
    watermark_ms: int
    newest_id: int
    completed_id: int


class Stream:
    """The jobs of one session cluster."""

    def __init__(self, settings: Settings) -> None:
        self._http = httpx.Client(base_url=f"http://{settings.address('flink_rest')}", timeout=_TIMEOUT_S)

    def look(self, name: str) -> StreamView | None:
        """Look at the job of this name; None when it does not run or the cluster is away."""
        try:
            job_id = self._alive(name)
            return self._view(job_id) if job_id else None
        except (httpx.HTTPError, KeyError, ValueError):
            return None

    def _alive(self, name: str) -> str | None:
        jobs = self._get("/jobs/overview")["jobs"]
        return next((str(job["jid"]) for job in jobs if job["name"] == name and job["state"] in ALIVE), None)

    def _view(self, job_id: str) -> StreamView:
        # The watermark first: a checkpoint seen afterwards with a higher number began after it.
        watermark_ms = self._watermark_ms(job_id)
        found = self._get(f"/jobs/{job_id}/checkpoints")
        newest = [int(one["id"]) for one in found["history"]]
        completed = found["latest"]["completed"]
        return StreamView(
            job_id,
            f"{job_id}/{found['counts']['restored']}",
            watermark_ms,
            max(newest, default=-1),
            int(completed["id"]) if completed else -1,
        )

    def _watermark_ms(self, job_id: str) -> int:
        nodes = self._get(f"/jobs/{job_id}")["plan"]["nodes"]
        values = [
            int(found["value"])
            for vertex in behind_exchange(nodes)
            for found in self._get(f"/jobs/{job_id}/vertices/{vertex}/watermarks")
        ]
        lowest = min(values, default=_NOT_YET)
        return -1 if lowest == _NOT_YET else lowest

    def _get(self, path: str) -> Any:
        return self._http.get(path).raise_for_status().json()


def behind_exchange(nodes: list[dict[str, Any]]) -> list[str]:
    """Name the vertices of a plan that lie directly behind the first keyed exchange of their branch.

    Before it a subtask whose partitions are silent keeps its old watermark for ever. Behind it all results
    up to the watermark are on their way ahead of any later checkpoint; a Python step tells no watermark on.
    """
    inputs = {str(node["id"]): node.get("inputs", []) for node in nodes}
    keyed = {name for name, links in inputs.items() if any(link["ship_strategy"] == "HASH" for link in links)}
    return sorted(name for name in keyed if not keyed & _upstream(name, inputs))


def _upstream(name: str, inputs: dict[str, list[dict[str, Any]]]) -> set[str]:
    above = {str(link["id"]) for link in inputs[name]}
    return above.union(*(_upstream(one, inputs) for one in above))
