"""A large import holds up none of today's late readings: windows, sessions, alert hours have fresh shares."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog.corrections_report import Queue, as_json, read_report, report_file, write_report
from jobs.corrections import corrector as passes
from jobs.corrections import session_reads, window_repair
from jobs.corrections.alert_reads import due_hours
from jobs.corrections.shares import FRESH_MS, shares
from millrace.settings import Settings
from tests.integration.corrected_lake import CorrectedLake, Reading

pytestmark = [pytest.mark.integration, pytest.mark.stream, pytest.mark.sessions]

HOUR_MS = 3_600_000
NOW_MS = 1_767_268_800_000
YEAR_MS = 365 * 24 * HOUR_MS


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[CorrectedLake]:
    made = CorrectedLake(tmp_path)
    yield made
    made.close()


def late(device: str, at_ms: int) -> Reading:
    return Reading(device, f"{device}-{at_ms}", at_ms, {"t": 1.0}, "late")


def fill(lake: CorrectedLake) -> None:
    """Import 300 hours of a device of a year ago, then let another be late by an hour today."""
    lake.store([late("a-import", NOW_MS - YEAR_MS + hour * HOUR_MS) for hour in range(300)])
    lake.store([late("z-today", NOW_MS - HOUR_MS)])
    lake.watermark_ms = NOW_MS


def waiting(queues: list[Queue] | tuple[Queue, ...]) -> dict[tuple[str, str], int]:
    return {(one.queue, one.share): one.waiting for one in queues}


def test_fresh_work_is_done_in_the_first_pass_however_large_the_backlog_is(
    lake: CorrectedLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module, name in ((window_repair, "BATCH_MINUTES"), (session_reads, "BATCH_RANGES")):
        monkeypatch.setattr(module, name, 10)
    monkeypatch.setattr(passes, "MOST_BATCHES", 1)
    monkeypatch.setattr(passes, "JUDGE_S", 0.0)
    fill(lake)
    report = lake.settle(NOW_MS)
    left = waiting(list(report.queues))
    assert (left["windows", "fresh"], left["windows", "backlog"] > 200) == (0, True)
    monkeypatch.setattr(passes, "JUDGE_S", 0.001)
    report = lake.pass_once(NOW_MS + 31_000)
    left = waiting(list(report.queues))
    assert {queue: left[queue, "fresh"] for queue in ("windows", "sessions", "alert_hours")} == {
        "windows": 0, "sessions": 0, "alert_hours": 0,
    }  # fmt: skip
    assert left["windows", "backlog"] > 200
    assert left["sessions", "backlog"] > 200


def test_the_newest_of_the_backlog_comes_first_and_all_of_it_comes(lake: CorrectedLake) -> None:
    fill(lake)
    lake.pass_once(NOW_MS)
    _, backlog = shares(NOW_MS)
    hours = due_hours(lake.memory, backlog, 10, NOW_MS, NOW_MS + 31_000)
    newest_ms = NOW_MS - YEAR_MS + 299 * HOUR_MS
    assert sorted((one.hour_ms for one in hours), reverse=True) == [
        newest_ms - place * HOUR_MS for place in range(10)
    ]
    report = lake.settle(NOW_MS + 62_000)
    assert set(waiting(list(report.queues)).values()) == {0}
    assert (lake.wrong_windows(), report.lag_ms, report.state) == ([], 0, "idle")


def test_hours_of_a_device_that_do_not_follow_each_other_are_judged_by_themselves(
    lake: CorrectedLake,
) -> None:
    begins = (0, HOUR_MS, 2 * HOUR_MS, 900 * HOUR_MS, 901 * HOUR_MS)
    lake.store([late("d", NOW_MS - YEAR_MS + at_ms) for at_ms in begins])
    lake.watermark_ms = NOW_MS
    lake.pass_once(NOW_MS)
    _, backlog = shares(NOW_MS)
    found = due_hours(lake.memory, backlog, 100, NOW_MS, NOW_MS + 31_000)
    assert sorted(one.hour_ms - NOW_MS + YEAR_MS for one in found) == [900 * HOUR_MS, 901 * HOUR_MS]


def test_fresh_is_the_last_day_of_event_time() -> None:
    fresh, backlog = shares(NOW_MS)
    assert (fresh.is_fresh, backlog.is_fresh) == (True, False)
    assert fresh.fresh_since_ms == backlog.fresh_since_ms == NOW_MS - FRESH_MS
    assert next(shares(-1)).fresh_since_ms == 0


def test_size_and_lag_of_each_queue_are_reported(lake: CorrectedLake, tmp_path: Path) -> None:
    fill(lake)
    lake.watermark_ms = -1
    report = lake.pass_once(NOW_MS)
    report = lake.pass_once(NOW_MS + 5_000)
    found = waiting(list(report.queues))
    assert (found["windows", "fresh"], found["sessions", "fresh"], found["alert_hours", "fresh"]) == (
        301,
    ) * 3
    assert {one.lag_ms for one in report.queues if one.waiting} == {5_000}
    path = report_file(Settings(home=tmp_path, stack="shares"))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_report(path, report)
    assert read_report(path) == report
    assert as_json(report)["pending_minutes"] == 301
