"""One pass of the corrector: take new late readings, see what is final, make right what can be made right."""

import logging
import time
from collections.abc import Callable
from typing import Final, NamedTuple

from pyiceberg.catalog import Catalog
from pyiceberg.table import Table

from catalog.corrections_report import QUEUES, Queue, Report
from catalog.lake import NAMESPACE
from catalog.repetitions import settle_repetitions
from jobs.corrections.alert_confirming import confirm_told
from jobs.corrections.alert_following import follow_runs
from jobs.corrections.alert_repair import LEAST_HOURS, judge_hours
from jobs.corrections.alert_sources import AlertSources, AlertTables
from jobs.corrections.horizon import Horizon, JobView
from jobs.corrections.lake_reads import late_since, sessions_since
from jobs.corrections.lake_writes import committed_id
from jobs.corrections.memory import Memory
from jobs.corrections.session_repair import Devices, SessionRepair, SessionTables
from jobs.corrections.shares import Share, fresh_since_ms, shares
from jobs.corrections.stream_view import StreamView
from jobs.corrections.window_repair import MINUTE_MS, PutPanes, WindowTables, correct_next_windows

_log = logging.getLogger("millrace.corrector")
_TELEMETRY: Final = "telemetry"
_SESSIONS: Final = "sessions"
_ALERTS: Final = "alerts"
# Of each kind of work and each share of it.
MOST_BATCHES: Final = 5
# How long hours of a share are judged in a pass.
JUDGE_S: Final = 4.0
CONFIRM_EVERY_MS: Final = 30_000


class Surroundings(NamedTuple):
    """What a pass asks of the rest of the stack.

    `look` tells what Flink says of a job, None when it does not run. `tick_watermark_ms` turns the
    sessions job's watermark (log time) into event time. `still_alone` raises when this corrector may no
    longer write.
    """

    lake: Catalog
    look: Callable[[str], StreamView | None]
    tick_watermark_ms: Callable[[int], int]
    put_panes: PutPanes
    devices: Devices
    alerts: AlertSources
    still_alone: Callable[[], None]


class _Tables(NamedTuple):
    readings: Table
    rollups: Table
    sessions: Table
    alert_events: Table


class Corrector:
    """Makes late data right, pass after pass."""

    def __init__(self, memory: Memory, around: Surroundings) -> None:
        self._memory = memory
        self._around = around
        self._windows = Horizon(
            memory.figure("windows_final_ms", -1), memory.figure("highest_watermark_ms", -1)
        )
        self._sessions = Horizon(memory.figure("sessions_final_ms", -1))
        self._alerts = Horizon(memory.figure("alerts_final_ms", -1))
        self._confirmed_ms = 0

    def run_pass(self, now_ms: int) -> Report:
        """Do what can be done now; at most `MOST_BATCHES` batches of each kind and share."""
        began_s = time.monotonic()
        views = {name: self._around.look(name) for name in (_TELEMETRY, _SESSIONS, _ALERTS)}
        ticked_ms = self._around.tick_watermark_ms(views[_SESSIONS].watermark_ms) if views[_SESSIONS] else -1
        # After the views: what a completed checkpoint published must be in the tables read now.
        tables = self._tables()
        self._see(views, ticked_ms, tables)
        self._take(tables, now_ms)
        self._correct(tables, now_ms)
        return self._report(now_ms, began_s, running=views[_TELEMETRY] is not None)

    def _tables(self) -> _Tables:
        names = ("readings", "rollups_1m", "sessions", "alert_events")
        return _Tables(*(self._around.lake.load_table((NAMESPACE, name)) for name in names))

    def _see(self, views: dict[str, StreamView | None], ticked_ms: int, tables: _Tables) -> None:
        telemetry, sessions, alerts = (views[name] for name in (_TELEMETRY, _SESSIONS, _ALERTS))
        if telemetry:
            self._windows.see(_job_view(telemetry, telemetry.watermark_ms, tables.readings, tables.rollups))
        if sessions:
            self._sessions.see(_job_view(sessions, ticked_ms, tables.sessions))
        if alerts:
            self._alerts.see(_job_view(alerts, alerts.watermark_ms, tables.alert_events))
        self._keep("alerts_final_ms", self._alerts.final_ms)
        self._keep("windows_final_ms", self._windows.final_ms)
        self._keep("sessions_final_ms", self._sessions.final_ms)
        self._keep("highest_watermark_ms", self._windows.highest_ms)

    def _take(self, tables: _Tables, now_ms: int) -> None:
        told_until_ms = max(self._memory.figure("told_until_ms"), self._windows.suspect_ms)
        self._take_late(tables.readings, told_until_ms, now_ms)
        # Minutes are told whole: a reading of one that is not may still be on time.
        self._keep("told_until_ms", self._windows.final_ms // MINUTE_MS * MINUTE_MS)
        self._take_told(tables.sessions)

    def _take_late(self, readings: Table, told_until_ms: int, now_ms: int) -> None:
        memory, uuid = self._memory, str(readings.metadata.table_uuid)
        late = late_since(readings, memory.progress("readings", uuid), told_until_ms)
        if late is None:
            return
        taken_until = _newest(readings)
        memory.give("late_rows", late)
        memory.run("new_rows", told_until_ms=told_until_ms)
        # Marks first: whoever is cut off behind them finds the same rows again, and nothing to change.
        changed = settle_repetitions(memory.connection, readings)
        memory.give("changed_mark", changed)
        with memory.whole():
            memory.run("take_late", now_ms=now_ms)
            memory.run("touch_hours", now_ms=now_ms)
            found = memory.rows_of("new_late", "mark = 'late'")
            memory.count("late_readings", found)
            memory.set_progress("readings", uuid, taken_until)
        if found:
            _log.info("took %d late readings, %d marks changed", found, changed.num_rows)

    def _take_told(self, sessions: Table) -> None:
        memory, uuid = self._memory, str(sessions.metadata.table_uuid)
        told = sessions_since(sessions, memory.progress("sessions", uuid))
        if told is None:
            return
        with memory.whole():
            memory.give("told_sessions", told)
            memory.run("wake_ranges")
            memory.set_progress("sessions", uuid, _newest(sessions))

    def _keep(self, name: str, time_ms: int) -> None:
        if time_ms != self._memory.figure(name, -1):
            self._memory.set_figure(name, time_ms)

    def _correct(self, tables: _Tables, now_ms: int) -> None:
        self._correct_windows(tables, now_ms)
        self._around.still_alone()
        final_ms = min(self._windows.final_ms, self._sessions.final_ms)
        repair = SessionRepair(
            self._memory, SessionTables(tables.readings, tables.sessions), self._around.devices, final_ms
        )
        published = repair.run(now_ms, MOST_BATCHES)
        if published:
            _log.info("corrected %d sessions", published)
        self._around.still_alone()
        self._raise_alerts(AlertTables(tables.readings, tables.alert_events), now_ms)

    def _correct_windows(self, tables: _Tables, now_ms: int) -> None:
        for share in shares(self._windows.final_ms):
            self._correct_windows_of(share, tables, now_ms)

    def _correct_windows_of(self, share: Share, tables: _Tables, now_ms: int) -> None:
        self._around.still_alone()
        for _ in range(MOST_BATCHES):
            done = correct_next_windows(
                self._memory,
                WindowTables(tables.readings, tables.rollups),
                share,
                self._windows.final_ms,
                now_ms,
                self._around.put_panes,
            )
            if not done.minutes:
                break
            self._memory.count("minutes_checked", done.minutes)
            self._memory.count("panes_rewritten", done.panes)
            _log.info("checked %d device-minutes, corrected %d windows", done.minutes, done.windows)
            self._around.still_alone()

    def _raise_alerts(self, tables: AlertTables, now_ms: int) -> None:
        # Readings in time are all stored, and alerts they raised all told.
        final_ms = min(self._windows.final_ms, self._alerts.final_ms)
        raised = sum(self._raise_share(share, tables, final_ms, now_ms) for share in shares(final_ms))
        if raised:
            _log.info("raised %d alerts for late readings", raised)
        self._around.still_alone()
        if now_ms - self._confirmed_ms >= CONFIRM_EVERY_MS:
            self._confirmed_ms = now_ms
            untrue = confirm_told(tables.alert_events, self._around.alerts, self._alerts.final_ms)
            if untrue:
                _log.info("took back %d alerts that the stream did not find again", untrue)

    def _raise_share(self, share: Share, tables: AlertTables, final_ms: int, now_ms: int) -> int:
        began_s, raised = time.monotonic(), 0
        while time.monotonic() - began_s < JUDGE_S:
            self._around.still_alone()
            at_once = self._memory.figure("hours_at_once", LEAST_HOURS)
            judged = judge_hours(self._memory, tables, self._around.alerts, share, at_once, final_ms, now_ms)
            if judged.hours:
                self._memory.set_figure("hours_at_once", judged.next_hours(at_once))
            followed = follow_runs(self._memory, tables, self._around.alerts, share, final_ms)
            raised += judged.raised + followed.raised
            if not judged.hours and not followed.runs:
                break
        return raised

    def _report(self, now_ms: int, began_s: float, running: bool) -> Report:
        memory = self._memory
        queues = self._queues(now_ms)
        lag_ms = max(queue.lag_ms for queue in queues)
        pending = {name: sum(one.waiting for one in queues if one.queue == name) for name in QUEUES}
        is_idle = not any(pending.values())
        return Report(
            state="idle" if is_idle else "working" if running else "stream is down",
            at_ms=now_ms,
            pass_ms=round((time.monotonic() - began_s) * 1_000),
            late_readings=memory.figure("late_readings"),
            minutes_checked=memory.figure("minutes_checked"),
            windows_corrected=memory.figure("windows_corrected"),
            panes_rewritten=memory.figure("panes_rewritten"),
            sessions_corrected=memory.figure("sessions_corrected"),
            sessions_superseded=memory.figure("sessions_superseded"),
            late_hours_judged=memory.figure("late_hours_judged"),
            alerts_raised=memory.figure("alerts_raised"),
            alerts_followed=memory.rows_of("followed_run"),
            pending_minutes=pending["windows"],
            pending_sessions=pending["sessions"],
            pending_alert_hours=pending["alert_hours"],
            windows_final_ms=self._windows.final_ms,
            sessions_final_ms=self._sessions.final_ms,
            alerts_final_ms=self._alerts.final_ms,
            lag_ms=lag_ms,
            queues=queues,
        )

    def _queues(self, now_ms: int) -> list[Queue]:
        since_ms = fresh_since_ms(self._windows.final_ms)
        waiting = {(one.queue, one.is_fresh): one for one in self._memory.waiting(since_ms)}
        return [
            Queue(name, "fresh" if is_fresh else "backlog", one.rows, now_ms - one.found_at_ms)
            if (one := waiting.get((name, is_fresh)))
            else Queue(name, "fresh" if is_fresh else "backlog", 0, 0)
            for name in QUEUES
            for is_fresh in (True, False)
        ]


def _job_view(view: StreamView, watermark_ms: int, *tables: Table) -> JobView:
    committed = min(committed_id(table, view.job_id) for table in tables)
    return JobView(view.incarnation, watermark_ms, view.newest_id, view.completed_id, committed)


def _newest(table: Table) -> int:
    snapshot = table.current_snapshot()
    return snapshot.snapshot_id if snapshot else -1
