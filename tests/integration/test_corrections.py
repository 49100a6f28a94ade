"""Late data becomes right: a real Iceberg catalog, a real Redis, and the oracle."""

import random
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from jobs.corrections.hot_tier import HotTier
from millrace.clock import now_ms
from tests.integration.conftest import RedisServer
from tests.integration.corrected_lake import CorrectedLake, Reading
from udfs.hot_series import hour_start, series_key, unpack_hour

pytestmark = [pytest.mark.integration, pytest.mark.sessions]

DAY_MS = 86_400_000
T0 = 1_767_225_600_000
FINAL = T0 + 40 * DAY_MS


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[CorrectedLake]:
    found = CorrectedLake(tmp_path)
    yield found
    found.close()


def at(second: float, value: float, mark: str = "on_time", device: str = "a", **more: float) -> Reading:
    time_ms = T0 + round(second * 1000)
    return Reading(device, f"{device}{second}{mark}", time_ms, {"t": value, **more}, mark)


def tell(lake: CorrectedLake, readings: list[Reading]) -> None:
    """Store everything; publish what the stream would: without what came late."""
    on_time = [one for one in readings if one.mark == "on_time"]
    lake.store(readings)
    lake.tell_windows(on_time)
    lake.tell_sessions(on_time)


def test_a_minute_touched_by_a_late_reading_gets_the_next_revision(lake: CorrectedLake) -> None:
    late, again = at(11, 9.0, "late"), at(5, 1.0)._replace(mark="duplicate")
    tell(lake, [at(5, 1.0), at(50, 3.0), at(20, 2.0), late, again, at(70, 4.0)])
    assert lake.wrong_windows()
    lake.watermark_ms = FINAL
    report = lake.settle(FINAL)
    assert lake.wrong_windows() == []
    newest = lake.rows("rollups_1m").query("revision == 1").to_dict("records")
    assert [(row["count"], row["sum"], row["first"], row["last"]) for row in newest] == [(4, 15.0, 1.0, 3.0)]
    assert [(row["max"], row["late_count"], row["complete"]) for row in newest] == [(9.0, 1, True)]
    assert (report.late_readings, report.windows_corrected, report.pending_minutes) == (1, 1, 0)


def test_a_minute_never_published_gets_revision_zero(lake: CorrectedLake) -> None:
    lake.store([at(11, 9.0, "late")])
    lake.watermark_ms = FINAL
    lake.settle(FINAL)
    assert lake.rows("rollups_1m")["revision"].tolist() == [0]
    assert lake.wrong_windows() == []


def test_a_late_reading_that_was_counted_in_time_changes_nothing(lake: CorrectedLake) -> None:
    readings = [at(5, 1.0), at(7, 2.0, "late")]
    lake.store(readings)
    lake.tell_windows(readings)
    lake.tell_sessions(readings)
    lake.watermark_ms = FINAL
    assert lake.settle(FINAL).pending_minutes == 0
    assert lake.rows("rollups_1m")["revision"].tolist() == [0]
    assert lake.rows("sessions")["revision"].tolist() == [0]


def test_a_reading_after_its_window_was_told_is_late_whatever_its_mark(lake: CorrectedLake) -> None:
    tell(lake, [at(5, 1.0), at(65, 1.0)])
    lake.watermark_ms = T0 + 60_000
    lake.settle(FINAL)
    lake.store([at(7, 2.0), at(66, 2.0)])
    report = lake.settle(FINAL)
    assert (report.late_readings, report.windows_corrected, report.pending_minutes) == (0, 1, 0)
    newest = lake.rows("rollups_1m").query("revision == 1").to_dict("records")
    assert [(row["window_start"].second, row["count"]) for row in newest] == [(0, 2)]


def test_a_window_the_watermark_has_not_passed_waits(lake: CorrectedLake) -> None:
    tell(lake, [at(5, 1.0), at(7, 2.0, "late")])
    lake.watermark_ms = T0 + 59_999
    assert lake.settle(FINAL).pending_minutes == 1
    lake.watermark_ms = T0 + 60_000
    assert lake.settle(FINAL).pending_minutes == 0
    assert sorted(lake.rows("rollups_1m")["revision"]) == [0, 1]


def test_what_no_checkpoint_has_committed_is_not_corrected(lake: CorrectedLake) -> None:
    tell(lake, [at(5, 1.0), at(7, 2.0, "late")])
    lake.watermark_ms = FINAL
    for _ in range(5):
        assert lake.pass_once(FINAL).pending_minutes == 1
    assert lake.rows("rollups_1m")["revision"].tolist() == [0]


def test_a_stream_that_has_ended_is_corrected_up_to_what_it_published(lake: CorrectedLake) -> None:
    lake.store([at(5, 1.0)])
    lake.watermark_ms = T0 + 60_000
    lake.settle(FINAL)
    lake.running.clear()
    lake.watermark_ms = FINAL
    lake.store([at(7, 2.0, "late"), at(65, 2.0, "late")])
    lake.restart_corrector()
    report = lake.settle(FINAL)
    assert (report.pending_minutes, report.state) == (1, "stream is down")
    assert lake.rows("rollups_1m")["window_start"].tolist() == [pd.Timestamp(T0, unit="ms", tz="UTC")]


def test_sessions_that_a_late_reading_joins_become_one(lake: CorrectedLake) -> None:
    first = [at(second, 1.0, battery_pct=80 - second) for second in (0, 10, 20)]
    second = [at(second, 1.0) for second in (110, 120)]
    tell(lake, [*first, *second, at(65, 1.0, "late", battery_pct=5)])
    assert len(lake.told_sessions()) == 2
    lake.watermark_ms = FINAL
    report = lake.settle(FINAL + 31_000)
    lake.settle(FINAL + 62_000)
    assert lake.wrong_sessions() == []
    rows = lake.rows("sessions").sort_values(["session_start", "revision"])
    assert rows["revision"].tolist() == [0, 1, 0, 1]
    assert rows["superseded"].tolist() == [False, False, False, True]
    assert lake.told_sessions()["late_count"].tolist() == [1]
    assert report.windows_corrected > 0


def test_a_session_nobody_told_is_told_and_one_that_begins_earlier_supersedes(lake: CorrectedLake) -> None:
    tell(lake, [at(1000, 1.0), at(1010, 1.0), at(970, 1.0, "late"), at(5, 1.0, "late"), at(8, 1.0, "late")])
    lake.watermark_ms = FINAL
    lake.settle(FINAL)
    report = lake.settle(FINAL + 31_000)
    assert lake.wrong_sessions() == []
    assert (report.sessions_corrected, report.sessions_superseded, report.pending_sessions) == (3, 1, 0)


def test_a_session_that_may_still_grow_waits(lake: CorrectedLake) -> None:
    tell(lake, [at(0, 1.0), at(30, 1.0, "late")])
    lake.watermark_ms = T0 + 90_000
    lake.settle(FINAL)
    assert lake.settle(FINAL + 31_000).pending_sessions == 1
    lake.watermark_ms = T0 + 90_001
    assert lake.settle(FINAL + 62_000).pending_sessions == 0
    assert lake.wrong_sessions() == []


def test_a_session_open_in_the_stream_waits_until_it_is_told(lake: CorrectedLake) -> None:
    before, after = [at(0, 1.0), at(30, 1.0, "late")], [at(60, 1.0), at(100, 1.0)]
    lake.open_since["demo/a"] = T0
    lake.store([*before, *after])
    lake.watermark_ms = FINAL
    lake.settle(FINAL)
    assert lake.settle(FINAL + 31_000).pending_sessions == 1
    lake.open_since.clear()
    assert lake.settle(FINAL + 62_000).pending_sessions == 1
    lake.tell_sessions([before[0], *after])
    assert lake.settle(FINAL + 93_000).pending_sessions == 0
    assert lake.wrong_sessions() == []


def test_a_long_session_is_found_whole_though_nobody_told_it(lake: CorrectedLake) -> None:
    lake.store([at(second, 1.0) for second in range(0, 3_600, 30)] + [at(1_801, 1.0, "late")])
    lake.watermark_ms = FINAL
    for step in range(12):
        report = lake.settle(FINAL + 31_000 * step)
    assert report.pending_sessions == 0
    assert lake.wrong_sessions() == []


@pytest.mark.parametrize("forget", [False, True])
def test_a_corrector_that_starts_again_publishes_nothing_twice(lake: CorrectedLake, forget: bool) -> None:
    tell(lake, [at(5, 1.0), at(7, 2.0, "late"), at(500, 1.0, "late")])
    lake.watermark_ms = FINAL
    lake.settle(FINAL)
    lake.settle(FINAL + 31_000)
    before = {table: len(lake.rows(table)) for table in ("rollups_1m", "sessions")}
    lake.restart_corrector(forget)
    lake.settle(FINAL + 62_000)
    report = lake.settle(FINAL + 93_000)
    assert {table: len(lake.rows(table)) for table in before} == before
    assert (report.pending_minutes, report.pending_sessions) == (0, 0)


def test_days_of_disorder_equal_the_oracle(lake: CorrectedLake) -> None:
    random_ = random.Random(4)
    for number in range(6):
        lake_part = _disorder(random_, number)
        tell(lake, lake_part)
        lake.watermark_ms = T0 + number * DAY_MS
        lake.settle(FINAL + number * 40_000)
    lake.watermark_ms = FINAL
    for step in range(6, 9):
        report = lake.settle(FINAL + step * 40_000)
    assert (report.pending_minutes, report.pending_sessions) == (0, 0)
    assert report.windows_corrected > 100
    assert report.sessions_superseded > 10
    assert lake.wrong_windows() == []
    assert lake.wrong_sessions() == []


def _disorder(random_: random.Random, day: int) -> list[Reading]:
    readings: list[Reading] = []
    for device in ("a", "b", "c"):
        second = 0.0
        while second < 6_000:
            second += random_.choice([5, 10, 10, 25, 45, 70, 130])
            mark = random_.choices(["on_time", "late", "duplicate"], [75, 20, 5])[0]
            known = [one for one in readings if one.device_id == device and one.mark != "duplicate"]
            more = {"battery_pct": float(random_.randint(1, 100))} if random_.random() < 0.3 else {}
            if mark == "duplicate" and known:
                readings.append(random_.choice(known)._replace(mark=mark))
            else:
                mark = "late" if mark == "late" else "on_time"
                readings.append(at(day * 86_400 + second, random_.gauss(0, 100), mark, device, **more))
    random_.shuffle(readings)
    first: dict[str, Reading] = {}
    # Whichever copy the log holds first counts; here all copies are equal but for their mark.
    for place, one in enumerate(readings):
        if one.event_id not in first and one.mark == "duplicate":
            readings[place] = one._replace(mark="on_time")
        elif one.event_id in first and one.mark != "duplicate":
            readings[place] = one._replace(mark="duplicate")
        first.setdefault(one.event_id, one)
    return readings


def test_panes_of_the_last_hours_are_right_in_redis_too(tmp_path: Path, redis_server: RedisServer) -> None:
    redis_server.client.flushall()
    start = hour_start(now_ms()) - 7_200_000
    times = (1_000, 2_000, 12_000)
    readings = [
        Reading("a", f"e{ms}", start + ms, {"t": float(ms)}, "late" if ms == 2_000 else "on_time")
        for ms in times
    ]
    lake = CorrectedLake(tmp_path, HotTier(redis_server.client).put_panes)
    try:
        tell(lake, [*readings, at(1, 1.0, "late")])
        lake.watermark_ms = now_ms()
        lake.settle(now_ms())
    finally:
        lake.close()
    key = series_key("demo", "a", "t", start)
    stored = redis_server.client.get(key)
    assert isinstance(stored, bytes)
    # The pane at 12 s holds nothing late: what the stream wrote of it stands.
    assert list(unpack_hour(start, stored)) == [(start, 2, 1_000.0, 2_000.0, 3_000.0, 1_000.0, 2_000.0)]
    assert redis_server.client.keys("series:*") == [key.encode()]
    assert 0 < redis_server.client.pexpiretime(key) - start <= 25 * 3_600_000
