"""The sessions job is stopped with a savepoint and goes on with other code while devices go on sending."""

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pandas as pd

from bench.event_watch import EventWatch
from bench.stored import stored, wait_until
from bench.storm_fleet import Site, SiteFleet
from bench.storm_verdict import Told
from bench.upgraded_code import FIELD, UpgradedCode, upgrade
from bench.watched_fleet import watched_fleet
from ingest.replay.message import Message
from jobs.runtime.cluster import Cluster, runs
from jobs.runtime.restore import newest_state, remember_job
from millrace.clock import now_ms
from millrace.errors import MillraceError
from millrace.settings import Settings
from millrace.stack.supervision import Supervisor
from tests.oracle.compare import count, session_differences
from tests.oracle.sent import Terms, expect_sessions

JOB = "sessions"
_INTERVAL_S = 1
_ONLINE_S = 60.0
_PATIENCE_S = 180.0
_SETTLED_S = 12.0
Say = Callable[[str], None]


class Upgrade(NamedTuple):
    """Size and rhythm of a trial: devices that speak across the cut, and as many with a pause around it."""

    devices: int = 20
    offline_after_s: int = 15
    before_s: float = 20.0
    after_s: float = 20.0


class UpgradeFigures(NamedTuple):
    """What an upgrade trial came to; times in seconds."""

    readings: int
    sessions: int
    across_the_cut: int
    counted_by_new_code: int
    stopped_s: float
    savepoint: str
    differences: list[str]


class _Groups(NamedTuple):
    """Who speaks when: across the cut, before and after it, and always, so that event time goes on."""

    across: Site
    apart: Site
    always: Site


def _groups(prefix: str, devices: int) -> _Groups:
    def group(name: str) -> Site:
        return Site(f"{prefix}{name}", tuple(f"{prefix}{name}-{number:02d}" for number in range(devices)))

    return _Groups(group("across"), group("apart"), group("always"))


def run_upgrade_trial(settings: Settings, wanted: Upgrade, run: str, say: Say) -> UpgradeFigures:
    """Run a fleet, upgrade the job in the middle, compare its sessions; the old code runs at the end."""
    groups = _groups(f"{run}-", wanted.devices)
    with (
        tempfile.TemporaryDirectory(prefix="millrace-upgrade-") as folder,
        watched_fleet(settings, run, groups, wanted.offline_after_s, _INTERVAL_S) as (watch, fleets),
    ):
        trial = _Trial(settings, wanted, groups, fleets, watch, say)
        return trial.run(upgrade(Path(folder)))


class _Trial:
    def __init__(
        self,
        settings: Settings,
        wanted: Upgrade,
        groups: _Groups,
        fleets: list[SiteFleet],
        watch: EventWatch,
        say: Say,
    ) -> None:
        self._settings = settings
        self._wanted = wanted
        self._groups = groups
        self._across, self._apart, _ = fleets
        self._watch = watch
        self._say = say

    def run(self, code: UpgradedCode) -> UpgradeFigures:
        self._watch.wait("online", 3 * self._wanted.devices, 0, _ONLINE_S)
        time.sleep(self._wanted.before_s)
        self._apart.silence(self._groups.apart.devices)
        self._say("half of the devices are silent now, until their sessions are closed")
        self._watch.wait("offline", self._wanted.devices, 0, self._wanted.offline_after_s + 30)
        cut_ms, began = now_ms(), time.monotonic()
        savepoint = self._swap(code)
        stopped_s = time.monotonic() - began
        self._say(f"the new code runs after {stopped_s:.0f} s, from {savepoint}")
        try:
            since = self._speak_and_fall_silent()
            return self._compare(cut_ms, since, stopped_s, savepoint)
        finally:
            # The copy is gone when this ends.
            self._say("back to the old code")
            _restart_keeper(self._settings)

    def _speak_and_fall_silent(self) -> int:
        """Let everybody speak and stop; return how many events had been told before they stopped."""
        self._apart.wake(self._groups.apart.devices)
        time.sleep(self._wanted.after_s)
        since = len(self._watch.events())
        for fleet, group in ((self._across, self._groups.across), (self._apart, self._groups.apart)):
            fleet.silence(group.devices)
        patience_s = self._wanted.offline_after_s + 30
        self._watch.wait("offline", 2 * self._wanted.devices, since, patience_s)
        return since

    def _swap(self, code: UpgradedCode) -> str:
        """Stop all jobs with savepoints, start the sessions job from the copy, and the keeper again."""
        folder = self._settings.folder / "flink"
        supervisor = Supervisor(self._settings)
        supervisor.stop("keeper")
        try:
            state = newest_state(folder, JOB)
            if state is None or "savepoint" not in state.name:
                raise MillraceError(
                    f"job {JOB} left no savepoint", where=str(state), mend="`millrace logs keeper`."
                )
            remember_job(folder, JOB, _submit(self._settings, code, state))
        finally:
            _start_keeper(self._settings, supervisor)
        return state.name

    def _compare(self, cut_ms: int, since: int, stopped_s: float, savepoint: str) -> UpgradeFigures:
        with closing(duckdb.connect()) as connection:
            self._expect(connection)
            self._wait_told(connection)
            connection.register("actual_sessions", self._stored())
            differences = [f"iot.sessions: {line}" for line in session_differences(connection)]
            across = _across(connection, cut_ms)
            figures = UpgradeFigures(
                readings=count(connection, "expected_readings"),
                sessions=count(connection, "expected_sessions"),
                across_the_cut=across,
                counted_by_new_code=sum(_counts(self._watch.events(since)).values()),
                stopped_s=round(stopped_s, 1),
                savepoint=savepoint,
                differences=differences,
            )
            if across != self._wanted.devices:
                differences.append(f"{across} sessions go across the cut, not {self._wanted.devices}")
            differences += self._judge_code(connection, cut_ms, since)
        return figures

    def _expect(self, connection: duckdb.DuckDBPyConnection) -> None:
        sent = pd.DataFrame(_rows([*self._across.sent, *self._apart.sent]))
        connection.register("sent_frame", sent)
        connection.execute(
            "CREATE TABLE expected_readings AS "
            "SELECT *, MAP {}::MAP(VARCHAR, DOUBLE) AS metrics FROM sent_frame"
        )
        terms = Terms(1000 * self._wanted.offline_after_s, 1000 * _INTERVAL_S)
        devices = [*self._groups.across.devices, *self._groups.apart.devices]
        expect_sessions(connection, self._settings.tenant, dict.fromkeys(devices, terms))

    def _stored(self) -> Any:
        groups = (self._groups.across, self._groups.apart)
        tables = [stored(self._settings, "iot.sessions", f"{group.name}-") for group in groups]
        return pd.concat([table.to_pandas() for table in tables], ignore_index=True)

    def _wait_told(self, connection: duckdb.DuckDBPyConnection) -> None:
        wanted = (count(connection, "expected_sessions"),)
        key = ["device_id", "session_start"]
        wait_until(lambda: (len(self._stored().drop_duplicates(key)),), wanted, _PATIENCE_S)
        time.sleep(_SETTLED_S)

    def _judge_code(self, connection: duckdb.DuckDBPyConnection, cut_ms: int, since: int) -> list[str]:
        """Say where the field of the new code does not hold what the new code can have seen."""
        before = [event.device_id for event in self._watch.events()[:since] if event.type == "offline"]
        early = sorted(set(before) & set(self._groups.across.devices))
        faults = [f"{len(early)} devices called offline while they spoke: {early[:5]}"] if early else []
        sent = dict(
            connection.execute("SELECT device_id, count(*) FROM expected_readings GROUP BY 1").fetchall()
        )
        counts = _counts(self._watch.events(since))
        for device in self._groups.across.devices:
            # It was restored without the field: it counts from the cut, so some, but not all.
            if not 0 < counts.get(device, 0) < sent[device]:
                faults.append(f"{device}: the new code counted {counts.get(device)} of {sent[device]}")
        return faults


def _rows(messages: Iterable[Message]) -> list[dict[str, Any]]:
    return [
        {
            "device_id": message.device_id,
            "event_id": f"{message.device_id}-{message.event_time}",
            "event_time_ms": message.event_time,
        }
        for message in messages
    ]


def _counts(events: Iterable[Told]) -> dict[str, int]:
    return {
        event.device_id: int(event.details[FIELD])
        for event in events
        if event.type == "offline" and FIELD in event.details
    }


def _across(connection: duckdb.DuckDBPyConnection, cut_ms: int) -> int:
    row = connection.execute(
        "SELECT count(*) FROM newest_sessions WHERE start_ms < $1 AND end_ms > $1", [cut_ms]
    ).fetchone()
    return int(row[0]) if row else 0


def _submit(settings: Settings, code: UpgradedCode, state: Path) -> str:
    command = [str(code.python), "-m", "jobs.runtime.submit", f"{JOB}={state.as_uri()}"]
    environment = {**os.environ, **settings.environment()}
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=_PATIENCE_S, check=False
    )
    if done.returncode:
        raise MillraceError(f"the new code could not be submitted: {done.stderr[-2000:]}", where=JOB)
    job_id = done.stdout.split()[-1]
    _wait_running(Cluster(settings), job_id)
    return job_id


def _wait_running(cluster: Cluster, job_id: str) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not any(job["jid"] == job_id and runs(job) for job in cluster.jobs()):
        if time.monotonic() > deadline:
            raise MillraceError(f"job {job_id} does not run", where=JOB, mend="`millrace logs taskmanager`.")
        time.sleep(0.5)


def _restart_keeper(settings: Settings) -> None:
    supervisor = Supervisor(settings)
    supervisor.stop("keeper")
    _start_keeper(settings, supervisor)


def _start_keeper(settings: Settings, supervisor: Supervisor) -> None:
    report = settings.folder / "keeper.json"
    report.unlink(missing_ok=True)
    supervisor.start("keeper")
    deadline = time.monotonic() + _PATIENCE_S
    while not _is_ready(report):
        if time.monotonic() > deadline:
            raise MillraceError("the keeper does not hold its jobs", mend="`millrace logs keeper` says why.")
        time.sleep(0.5)


def _is_ready(report: Path) -> bool:
    try:
        return json.loads(report.read_text()).get("ready") is True
    except (OSError, ValueError):
        return False
