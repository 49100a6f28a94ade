"""Keeps the jobs running and event time moving (`python -m jobs.runtime.keeper`).

A session cluster forgets its jobs when the JobManager dies. The keeper looks every second: a job
that is not there is submitted again from its newest checkpoint. On SIGTERM it stops each job with a
savepoint. What it sees is written to `keeper.json` in the stack's folder. Time is marked by a thread of
its own: submitting a job takes long, and a second without a mark is a second of silence for everybody.
"""

import json
import logging
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from jobs.runtime.cluster import Cluster
from jobs.runtime.discovery import find_jobs
from jobs.runtime.marking import keep_marking
from jobs.runtime.restore import newest_state, remember_job
from millrace.errors import MillraceError
from millrace.settings import Settings, settings

_log = logging.getLogger("millrace.keeper")
_LOOK_EVERY_S = 1.0
_SUBMIT_TIMEOUT_S = 180


class Keeper:
    """Holds each job at one running instance."""

    def __init__(self, settings: Settings, cluster: Cluster) -> None:
        self._settings = settings
        self._cluster = cluster
        self._folder = settings.folder / "flink"
        self.names = [job.name for job in find_jobs()]

    def look(self) -> None:
        """Submit what does not run, then write down what does."""
        missing = [name for name in self.names if self._cluster.alive(name) is None]
        if missing and self._cluster.free_slots() > 0:
            self._submit(missing)
        self._report()

    def stop(self) -> None:
        """Stop every job with a savepoint; one that cannot keeps its last checkpoint."""
        with ThreadPoolExecutor(max_workers=len(self.names)) as pool:
            list(pool.map(self._stop, self.names))

    def _stop(self, name: str) -> None:
        try:
            job = self._cluster.alive(name)
            if job:
                target = (self._folder / "savepoints" / name).as_uri()
                _log.info("stopped %s at %s", name, self._cluster.stop_with_savepoint(job["jid"], target))
        except (httpx.HTTPError, MillraceError) as error:
            _log.warning("no savepoint of %s, its last checkpoint stands: %s", name, error)

    def _submit(self, names: list[str]) -> None:
        # Each in a process of its own: Flink counts operators on within one JVM, and their uids with them.
        with ThreadPoolExecutor(max_workers=len(names)) as pool:
            list(pool.map(self._plan, names))

    def _plan(self, name: str) -> None:
        state = newest_state(self._folder, name)
        _log.info("submitting %s from %s", name, state or "the beginning")
        command = [sys.executable, "-m", "jobs.runtime.submit", name, *([state.as_uri()] if state else [])]
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SUBMIT_TIMEOUT_S, check=False)
        if done.returncode:
            raise MillraceError(
                f"job {name} could not be submitted: {done.stderr[-2000:]}", mend="Mend the job."
            )
        remember_job(self._folder, name, done.stdout.split()[-1])

    def _report(self) -> None:
        found = {name: self._cluster.alive(name) for name in self.names}
        jobs = [{"name": name, "state": job["state"] if job else "MISSING"} for name, job in found.items()]
        ready = all(job is not None and self._cluster.running(job["jid"]) for job in found.values())
        _write(self._settings.folder / "keeper.json", json.dumps({"jobs": jobs, "ready": ready}))


def _write(path: Path, text: str) -> None:
    scratch = path.with_suffix(".new")
    scratch.write_text(text)
    scratch.replace(path)


def main() -> None:
    """Look and mark once a second until told to stop."""
    logging.basicConfig(level=settings().log_level, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    keeper = Keeper(settings(), Cluster(settings()))
    marking = threading.Thread(target=keep_marking, args=(settings(), stopping), name="clock", daemon=True)
    marking.start()
    while not stopping.wait(_LOOK_EVERY_S):
        try:
            keeper.look()
        except (httpx.HTTPError, MillraceError, subprocess.TimeoutExpired) as error:
            _log.warning("will look again: %s", error)
    keeper.stop()


if __name__ == "__main__":
    main()
