"""What Flink says of a job: which it is, how often it was restarted, how much its source has read."""

from typing import NamedTuple

import httpx

from jobs.runtime.cluster import Cluster
from millrace.errors import MillraceError
from millrace.settings import Settings


class JobRun(NamedTuple):
    """One submission of a job, and how often Flink restarted it since."""

    job_id: str
    restarts: int


def job_run(settings: Settings, name: str) -> JobRun:
    """Return the job of this name; MillraceError when none runs."""
    job = Cluster(settings).alive(name)
    if job is None:
        raise MillraceError(f"job {name} does not run", mend="`millrace status` tells why.")
    with httpx.Client(base_url=f"http://{settings.address('flink_rest')}", timeout=10) as http:
        metrics = http.get(f"/jobs/{job['jid']}/metrics", params={"get": "numRestarts"}).json()
    return JobRun(job["jid"], round(float(metrics[0]["value"])))
