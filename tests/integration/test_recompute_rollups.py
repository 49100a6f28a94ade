"""Recomputed rollups equal the oracle; readers see them whole or not at all; nobody's commit is lost."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from pyiceberg.table.snapshots import Snapshot

from jobs.corrections.memory import Memory
from jobs.recompute.asked import Asked, pieces, whole_minutes
from jobs.recompute.rollups import Plan, differences, publish, recompute_rollups, staged
from jobs.recompute.windows import WindowSources
from millrace.errors import MillraceError
from tests.integration.corrected_lake import TENANT, CorrectedLake, Reading

pytestmark = [pytest.mark.integration, pytest.mark.lakehouse]

DAY_MS = 86_400_000
T0 = 1_767_225_600_000
DEVICE_MONTH = Asked(TENANT, ("a",), T0, T0 + 31 * DAY_MS)


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[CorrectedLake]:
    found = CorrectedLake(tmp_path)
    yield found
    found.close()


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Memory]:
    found = Memory(tmp_path / "recompute.duckdb")
    yield found
    found.close()


def at(second: float, value: float, mark: str = "on_time", device: str = "a") -> Reading:
    return Reading(device, f"{device}{second}{mark}", T0 + round(second * 1000), {"t": value}, mark)


def plan(lake: CorrectedLake, asked: Asked = DEVICE_MONTH, remove_gone: bool = False) -> Plan:
    table = lake.lake.load_table
    sources = WindowSources(table(("iot", "readings")), table(("iot", "rollups_1m")))
    return Plan(sources, asked, remove_gone, kept_since_ms=T0)


def no_panes(_: "pd.DataFrame") -> None:
    return


def late_month(lake: CorrectedLake) -> None:
    """A device's month: what came live was published; a third came late, out of order, a tenth twice."""
    live = [at(minute * 60 + 7, float(minute % 97)) for minute in range(0, 31 * 1_440, 20)]
    late = [at(minute * 60 + 31, float(minute % 89), "late") for minute in range(0, 31 * 1_440, 60)]
    again = [one._replace(mark="duplicate") for one in live[::10]]
    other = [at(second, 1.0, device="b") for second in range(0, 600, 10)]
    lake.store([*live, *other])
    lake.tell_windows([*live, *other])
    lake.store([*reversed(late), *again])


def test_a_device_month_after_a_late_upload_equals_the_oracle(lake: CorrectedLake, memory: Memory) -> None:
    late_month(lake)
    assert lake.wrong_windows()
    found = recompute_rollups(memory, plan(lake), "recompute-test", no_panes)
    assert lake.wrong_windows() == []
    assert [one.day_ms for one in found] == [T0 + day * DAY_MS for day in range(31)]
    assert {(one.device_id, one.added, one.changed, one.gone) for one in found} == {("a", 0, 24, 0)}
    assert recompute_rollups(memory, plan(lake), "recompute-again", no_panes) == []


def test_what_is_staged_is_seen_by_nobody_and_dropped_unpublished(
    lake: CorrectedLake, memory: Memory
) -> None:
    late_month(lake)
    before = lake.rows("rollups_1m")
    with staged(memory, plan(lake), "recompute-test") as found:
        assert len(lake.rows("rollups_1m")) == len(before)
        assert found.branch.rows().num_rows == len(before) + 31 * 24
        assert list(found.differs) == differences(memory, plan(lake))
    assert len(lake.rows("rollups_1m")) == len(before)
    assert list(lake.lake.load_table(("iot", "rollups_1m")).metadata.refs) == ["main"]


def test_a_reader_sees_the_state_before_or_after_and_none_between(
    lake: CorrectedLake, memory: Memory
) -> None:
    late_month(lake)
    before = len(lake.rows("rollups_1m"))
    seen: list[int] = []
    over = threading.Event()

    def poll() -> None:
        while not over.is_set():
            seen.append(len(lake.rows("rollups_1m")))

    gone_too = at(40 * 86_400, 1.0)
    lake.tell_windows([gone_too])
    whole = DEVICE_MONTH._replace(to_ms=T0 + 41 * DAY_MS)
    reader = threading.Thread(target=poll)
    with staged(memory, plan(lake, whole, remove_gone=True), "recompute-test") as found:
        reader.start()
        try:
            # The stream's commit makes the publication one on top of others.
            lake.tell_windows([at(41 * 86_400, 2.0, device="c")])
            assert publish(found, plan(lake, whole, remove_gone=True), no_panes)
        finally:
            over.set()
            reader.join()
    seen.append(len(lake.rows("rollups_1m")))
    after = before + 1 + 1 + 31 * 24 - 1
    assert set(seen) <= {before + 1, before + 2, after}
    assert seen[-1] == after


@pytest.mark.parametrize("commits_between", [0, 3])
def test_commits_of_the_stream_in_between_are_kept_and_publishing_is_one_commit(
    lake: CorrectedLake, memory: Memory, commits_between: int
) -> None:
    late_month(lake)
    asked = plan(lake)
    with staged(memory, asked, "recompute-test") as found:
        later = [at(40 * 86_400 + second, 5.0, device="c") for second in range(commits_between)]
        lake.store(later)
        for one in later:
            lake.tell_windows([one])
        snapshots = len(_history(lake))
        assert publish(found, asked, no_panes)
    assert len(_history(lake)) - snapshots == 1
    lake.readings = [one for one in lake.readings if one.device_id != "c"]
    rows = lake.rows("rollups_1m")
    assert len(rows[rows["device_id"] == "c"]) == commits_between
    checkpoints = [one for one in _history(lake) if one.summary and one.summary["flink.job-id"]]
    assert len(checkpoints) == 1 + commits_between


def _history(lake: CorrectedLake) -> list[Snapshot]:
    table = lake.lake.load_table(("iot", "rollups_1m"))
    found: list[Snapshot] = []
    snapshot = table.current_snapshot()
    while snapshot is not None:
        found.append(snapshot)
        snapshot = table.snapshot_by_id(snapshot.parent_snapshot_id) if snapshot.parent_snapshot_id else None
    return found


def test_what_others_corrected_meanwhile_is_planned_anew(lake: CorrectedLake, memory: Memory) -> None:
    late_month(lake)
    asked = plan(lake)
    with staged(memory, asked, "recompute-test") as found:
        lake.watermark_ms = T0 + 40 * DAY_MS
        lake.settle(T0 + 40 * DAY_MS)
        assert not publish(found, asked, no_panes)
    assert lake.wrong_windows() == []
    revisions = lake.rows("rollups_1m")
    assert not revisions.duplicated(["device_id", "metric", "window_start", "revision"]).any()
    assert recompute_rollups(memory, plan(lake), "recompute-again", no_panes) == []


def test_windows_without_readings_are_told_and_go_only_when_asked(
    lake: CorrectedLake, memory: Memory
) -> None:
    kept, lost = at(5, 1.0), at(86_400 + 5, 2.0)
    lake.store([kept])
    lake.tell_windows([kept, lost])
    (found,) = recompute_rollups(memory, plan(lake), "recompute-test", no_panes)
    assert (found.day_ms, found.added, found.changed, found.gone) == (T0 + DAY_MS, 0, 0, 1)
    assert len(lake.rows("rollups_1m")) == 2
    recompute_rollups(memory, plan(lake, remove_gone=True), "recompute-gone", no_panes)
    assert lake.rows("rollups_1m")["last"].tolist() == [1.0]
    assert recompute_rollups(memory, plan(lake, remove_gone=True), "recompute-gone", no_panes) == []


def test_panes_of_the_last_day_go_to_the_hot_tier_with_what_is_published(
    lake: CorrectedLake, memory: Memory
) -> None:
    lake.store([at(5, 1.0), at(15, 3.0, "late"), at(65, 2.0)])
    lake.tell_windows([at(5, 1.0), at(65, 2.0)])
    put: list[pd.DataFrame] = []
    recompute_rollups(memory, plan(lake), "recompute-test", put.append)
    (panes,) = put
    assert sorted(zip(panes["start_ms"], panes["total"], strict=True)) == [(T0, 1.0), (T0 + 10_000, 3.0)]


def test_a_span_ends_where_results_are_final() -> None:
    asked = Asked(TENANT, ("a",), T0 + 30_000, T0 + 600_001)
    assert whole_minutes(asked, T0 + 185_000)[2:] == (T0, T0 + 180_000)
    assert whole_minutes(asked, T0 + DAY_MS)[2:] == (T0, T0 + 660_000)
    with pytest.raises(MillraceError, match="final up to"):
        whole_minutes(asked, T0 + 59_999)


def test_pieces_cover_every_device_and_day_once() -> None:
    devices = tuple(f"d{number}" for number in range(70))
    asked = Asked(TENANT, devices, T0 + 60_000, T0 + 3 * DAY_MS)
    found = [
        (device, minute)
        for piece in pieces(asked)
        for device in piece.devices
        for minute in range(piece.from_ms, piece.to_ms, 60_000)
    ]
    assert len(found) == len(set(found)) == 70 * (3 * 1_440 - 1)
