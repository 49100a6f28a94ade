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

from jobs.runtime.cluster import Cluster, runs
from jobs.runtime.discovery import find_jobs
from jobs.runtime.marking import keep_marking
from jobs.runtime.restore import newest_state, remember_job
from millrace.errors import MillraceError
from millrace.settings import Settings, settings

_log = logging.getLogger("millrace.keeper")
_LOOK_EVERY_S = 1.0
_SUBMIT_TIMEOUT_S = 240


class Keeper:
    """Holds each job at one running instance."""

    def __init__(self, settings: Settings, cluster: Cluster) -> None:
        self._settings = settings
        self._cluster = cluster
        self._folder = settings.folder / "flink"
        kept = settings.flink.jobs
        self.names = [job.name for job in find_jobs() if not kept or job.name in kept]
        self._looked = False

    def look(self) -> None:
        """Submit what does not run, then write down what does."""
        missing = self._missing()
        self._looked = True
        if missing:
            self._submit(missing)
        self._report()

    def _missing(self) -> list[str]:
        """Return the jobs that do not run; before a cluster was ever seen, all of them can be planned."""
        try:
            living = self._cluster.living()
        except httpx.TransportError:
            if self._looked:
                raise
            return self.names
        return [name for name in self.names if name not in living]

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
        states = {name: newest_state(self._folder, name) for name in names}
        _log.info("submitting %s", {name: str(state or "the beginning") for name, state in states.items()})
        wanted = [f"{name}={state.as_uri()}" if state else name for name, state in states.items()]
        command = [sys.executable, "-m", "jobs.runtime.submit", *wanted]
        with (self._folder / "submit.log").open("w+") as said:
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said, text=True)
            alarm = threading.Timer(_SUBMIT_TIMEOUT_S, process.kill)
            alarm.start()
            # Each at once: a job whose id nobody noted would not find its checkpoints again.
            for line in process.stdout or ():
                self._remember(line)
            alarm.cancel()
            if process.wait():
                said.seek(0)
                raise MillraceError(
                    f"jobs could not be submitted: {said.read()[-2000:]}", mend="Mend the job."
                )

    def _remember(self, line: str) -> None:
        match line.split():
            case [name, job_id] if name in self.names:
                _log.info("submitted %s as %s", name, job_id)
                remember_job(self._folder, name, job_id)

    def _report(self) -> None:
        living = self._cluster.living()
        found = {name: living.get(name) for name in self.names}
        jobs = [{"name": name, "state": job["state"] if job else "MISSING"} for name, job in found.items()]
        ready = all(job is not None and runs(job) for job in found.values())
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
        except (httpx.HTTPError, MillraceError) as error:
            _log.warning("will look again: %s", error)
    keeper.stop()


if __name__ == "__main__":
    main()
