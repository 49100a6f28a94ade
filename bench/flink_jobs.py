"""What Flink says of a job: which submission runs, and how often its tasks were restarted."""

from typing import Any, NamedTuple

import httpx

from jobs.runtime.cluster import Cluster
from millrace.errors import MillraceError
from millrace.settings import Settings


class JobRun(NamedTuple):
    """One submission of a job, and how often Flink started its tasks again since.

    Attempts count: the metric `numRestarts` stays at 0 where a restart had to wait for a TaskManager.
    """

    job_id: str
    restarts: int


def job_run(settings: Settings, name: str) -> JobRun:
    """Return the job of this name; MillraceError when none runs."""
    job = Cluster(settings).alive(name)
    if job is None:
        raise MillraceError(f"job {name} does not run", mend="`millrace status` tells why.")
    with httpx.Client(base_url=f"http://{settings.address('flink_rest')}", timeout=10) as http:
        place = f"/jobs/{job['jid']}"
        vertices = [vertex["id"] for vertex in http.get(place).json()["vertices"]]
        tasks: list[dict[str, Any]] = [
            task for vertex in vertices for task in http.get(f"{place}/vertices/{vertex}").json()["subtasks"]
        ]
    return JobRun(job["jid"], max(task["attempt"] for task in tasks))
