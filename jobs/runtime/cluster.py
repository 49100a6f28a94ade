"""Flink's REST interface: the few calls the keeper and the CLI need."""

import time
from contextlib import suppress
from typing import Any

import httpx

from millrace.errors import MillraceError
from millrace.settings import Settings

ALIVE = {"INITIALIZING", "CREATED", "RUNNING", "RESTARTING", "FAILING", "RECONCILING"}


def runs(job: dict[str, Any]) -> bool:
    """Tell whether every task of a job runs."""
    return bool(job["tasks"]["running"] == job["tasks"]["total"])


class Cluster:
    """One session cluster; every call raises httpx.HTTPError while the JobManager is away."""

    def __init__(self, settings: Settings) -> None:
        self._http = httpx.Client(base_url=f"http://{settings.address('flink_rest')}", timeout=10)

    def jobs(self) -> list[dict[str, Any]]:
        """Return id, name and state of every job the JobManager knows, newest first."""
        found: list[dict[str, Any]] = self._get("/jobs/overview")["jobs"]
        return sorted(found, key=lambda job: -int(job["start-time"]))

    def living(self) -> dict[str, dict[str, Any]]:
        """Return the jobs that have not ended, by name."""
        return {job["name"]: job for job in reversed(self.jobs()) if job["state"] in ALIVE}

    def alive(self, name: str) -> dict[str, Any] | None:
        """Return the job of this name that has not ended."""
        return self.living().get(name)

    def free_slots(self) -> int:
        """Return the number of task slots nobody uses."""
        return int(self._get("/overview")["slots-available"])

    def await_slots(self, timeout_s: float) -> None:
        """Wait until the cluster is there and has a free slot; MillraceError when it takes too long."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            with suppress(httpx.TransportError):
                if self.free_slots() > 0:
                    return
            time.sleep(0.3)
        raise MillraceError(
            f"Flink has no free slot for {timeout_s:.0f} s", mend="`millrace status` tells why."
        )

    def stop_with_savepoint(self, job_id: str, folder: str, timeout_s: float = 60) -> str:
        """Drain nothing, take a savepoint, end the job; return the savepoint's path."""
        answer = self._http.post(f"/jobs/{job_id}/stop", json={"targetDirectory": folder, "drain": False})
        trigger = answer.raise_for_status().json()["request-id"]
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            status = self._get(f"/jobs/{job_id}/savepoints/{trigger}")
            if status["status"]["id"] == "COMPLETED":
                return self._location(status["operation"], job_id)
            time.sleep(0.3)
        raise MillraceError(f"no savepoint of job {job_id} within {timeout_s:.0f} s", mend="See Flink's log.")

    def _location(self, operation: dict[str, Any], job_id: str) -> str:
        if "location" not in operation:
            cause = str(operation.get("failure-cause", {}).get("class", "unknown"))
            raise MillraceError(f"the savepoint of job {job_id} failed: {cause}", mend="See Flink's log.")
        return str(operation["location"])

    def _get(self, path: str) -> Any:
        return self._http.get(path).raise_for_status().json()
