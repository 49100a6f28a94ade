"""How far the stream's event time has come, as Flink itself reports it."""

import time

import httpx

from jobs.runtime.cluster import Cluster
from millrace.clock import to_iso
from millrace.errors import MillraceError
from millrace.settings import Settings

_PATIENCE_S = 120.0
_LOOK_EVERY_S = 0.5
# What an operator reports before its first watermark.
_NONE_YET_MS = -(1 << 62)


class StreamTime:
    """The watermark of one running job: that of its slowest operator."""

    def __init__(self, settings: Settings, job: str) -> None:
        self._job = job
        self._cluster = Cluster(settings)
        self._http = httpx.Client(base_url=f"http://{settings.address('flink_rest')}", timeout=10)

    def watermark_ms(self) -> int | None:
        """Return the lowest watermark of the job's operators, None before the first."""
        job = self._cluster.alive(self._job)
        if job is None:
            return None
        vertices = self._http.get(f"/jobs/{job['jid']}").raise_for_status().json()["vertices"]
        found = [mark for vertex in vertices for mark in self._watermarks(job["jid"], vertex["id"])]
        return min(found, default=None)

    def _watermarks(self, job_id: str, vertex_id: str) -> list[int]:
        reply = self._http.get(f"/jobs/{job_id}/vertices/{vertex_id}/watermarks").raise_for_status()
        marks = [int(entry["value"]) for entry in reply.json()]
        return [mark for mark in marks if mark > _NONE_YET_MS]

    def wait_past(self, event_time_ms: int) -> None:
        """Wait until everything up to `event_time_ms` is behind; MillraceError after two minutes."""
        deadline = time.monotonic() + _PATIENCE_S
        while (found := self.watermark_ms()) is None or found <= event_time_ms:
            if time.monotonic() > deadline:
                raise MillraceError(
                    f"the watermark of {self._job} stands at {to_iso(found) if found else 'nothing'}, "
                    f"{to_iso(event_time_ms)} was waited for",
                    where="Flink",
                    mend="`millrace logs keeper` says how the clock goes.",
                )
            time.sleep(_LOOK_EVERY_S)
