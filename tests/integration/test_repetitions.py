"""The same reading again, after however long, changes nothing; what declares a correction makes one."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest
from pyiceberg.exceptions import CommitFailedException
from pyiceberg.table import Table
from pyiceberg.table.snapshots import Operation

from catalog.archive import ARCHIVE
from catalog.maintenance.live_files import live_files
from catalog.maintenance.replacing import Swap, commit
from catalog.maintenance.rewriting import Look, rewrite
from jobs.corrections.memory import Memory
from millrace.reading import content_id
from tests.integration.corrected_lake import CorrectedLake, Reading

pytestmark = [pytest.mark.integration, pytest.mark.sessions]

START_MS = 1_767_225_600_000
DONE_MS = START_MS + 3_600_000


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[CorrectedLake]:
    found = CorrectedLake(tmp_path)
    yield found
    found.close()


def reading(
    at_s: float, value: float, mark: str = "on_time", *, own_id: str = "", source: str = "mqtt", **more: float
) -> Reading:
    """Return a reading of a device `a`; without `own_id` it is named after its content."""
    time_ms = START_MS + round(at_s * 1000)
    metrics = {"t": value} | more
    return Reading("a", own_id or content_id(time_ms, metrics), time_ms, metrics, mark, source=source)


def backlog(mark: str, *, own_ids: bool) -> list[Reading]:
    return [reading(n * 7, float(n % 5), mark, own_id=f"e{n}" if own_ids else "") for n in range(40)]


def publish(lake: CorrectedLake, readings: Sequence[Reading]) -> None:
    """Let the stream have stored and published readings, and the watermark have passed them."""
    lake.store(readings)
    lake.tell_windows(readings)
    lake.tell_sessions(readings)
    lake.watermark_ms = DONE_MS


def settle(lake: CorrectedLake) -> None:
    for number in range(3):
        lake.settle(DONE_MS + 31_000 * number)


def marks(lake: CorrectedLake) -> list[tuple[float, str]]:
    rows = lake.rows("readings").sort_values(["kafka_partition", "kafka_offset"])
    return [(dict(row.metrics)["t"], row.mark) for row in rows.itertuples()]


def answers(lake: CorrectedLake) -> dict[str, Any]:
    """Return all that is published of the readings, and what a reader of them counts."""
    names = ("rollups_1m", "sessions", "alert_events")
    return {name: sorted(map(str, lake.rows(name).to_dict("records"))) for name in names}


def correct_and_compare(lake: CorrectedLake) -> None:
    """Compare windows and sessions with the oracle over what counts by now."""
    rows = lake.rows("readings").sort_values("kafka_offset")
    lake.readings = [one._replace(mark=mark) for one, mark in zip(lake.readings, rows["mark"], strict=True)]
    assert lake.wrong_windows() == []
    every = lake.readings
    lake.readings = [one for one in every if one.mark in {"on_time", "late"}]
    assert lake.wrong_sessions() == []
    lake.readings = every


@pytest.mark.parametrize("own_ids", [True, False])
def test_a_backlog_sent_twice_after_a_long_outage_changes_nothing(lake: CorrectedLake, own_ids: bool) -> None:
    publish(lake, backlog("on_time", own_ids=own_ids))
    settle(lake)
    before = answers(lake)
    lake.store(backlog("late", own_ids=own_ids))
    settle(lake)
    assert answers(lake) == before
    assert [mark for _, mark in marks(lake)] == ["on_time"] * 40 + ["duplicate"] * 40
    assert lake.memory.rows_of("touched_hour") == 0
    lake.store(backlog("late", own_ids=own_ids))
    settle(lake)
    assert answers(lake) == before
    correct_and_compare(lake)


@pytest.mark.parametrize("own_ids", [True, False])
def test_a_backlog_that_came_late_itself_counts_once(lake: CorrectedLake, own_ids: bool) -> None:
    publish(lake, [reading(0, 1.0)])
    late = backlog("late", own_ids=own_ids)[1:]
    lake.store([*late, *late])
    settle(lake)
    before = answers(lake)
    lake.store(late)
    settle(lake)
    assert answers(lake) == before
    assert sum(mark == "late" for _, mark in marks(lake)) == len(late)
    correct_and_compare(lake)


def test_the_same_content_counts_once_whether_or_not_it_has_an_id_of_its_own(lake: CorrectedLake) -> None:
    publish(lake, [reading(1, 5.0, own_id="own-1"), reading(2, 6.0)])
    lake.store([reading(1, 5.0, "late"), reading(2, 6.0, "late", own_id="own-2")])
    settle(lake)
    assert marks(lake) == [(5.0, "on_time"), (6.0, "on_time"), (5.0, "duplicate"), (6.0, "duplicate")]
    correct_and_compare(lake)


def test_two_own_ids_are_two_readings_and_so_are_two_values(lake: CorrectedLake) -> None:
    publish(lake, [reading(1, 5.0, own_id="x"), reading(2, 6.0)])
    lake.store([reading(1, 5.0, "late", own_id="y"), reading(2, 6.5, "late")])
    settle(lake)
    assert [mark for _, mark in marks(lake)] == ["on_time", "on_time", "late", "late"]
    correct_and_compare(lake)


@pytest.mark.parametrize("mark", ["late", "on_time"])
def test_a_replayed_correction_replaces_what_is_stored(lake: CorrectedLake, mark: str) -> None:
    first = [reading(1, 5.0), reading(2, 6.0)]
    correction = reading(1, 95.0, mark, source="replace:mqtt")
    lake.store([*first, correction])
    # In time, the stream counted both: what a declared reading says of others is seen only in the lake.
    told = [*first, correction] if mark == "on_time" else first
    lake.tell_windows(told)
    lake.tell_sessions(told)
    lake.watermark_ms = DONE_MS
    settle(lake)
    assert marks(lake) == [(5.0, "replaced"), (6.0, "on_time"), (95.0, mark)]
    correct_and_compare(lake)
    before = answers(lake)
    lake.store(
        [reading(1, 95.0, "late", source="replace:http"), reading(1, 5.0, "late", source="replace:mqtt")]
    )
    settle(lake)
    assert [one for _, one in marks(lake)] == ["replaced", "on_time", mark, "duplicate", "duplicate"]
    assert answers(lake) == before


def test_a_correction_of_a_correction_is_the_one_that_counts(lake: CorrectedLake) -> None:
    publish(lake, [reading(1, 5.0)])
    lake.store([reading(1, value, "late", source="replace:mqtt") for value in (6.0, 7.0)])
    settle(lake)
    assert marks(lake) == [(5.0, "replaced"), (6.0, "replaced"), (7.0, "late")]
    correct_and_compare(lake)


def test_what_declares_keep_stands_back(lake: CorrectedLake) -> None:
    publish(lake, [reading(1, 5.0)])
    lake.store([reading(1, 95.0, "late", source="keep:http"), reading(2, 7.0, "late", source="keep:http")])
    settle(lake)
    assert marks(lake) == [(5.0, "on_time"), (95.0, "replaced"), (7.0, "late")]
    correct_and_compare(lake)


def test_a_correction_leaves_a_row_that_measures_more(lake: CorrectedLake) -> None:
    publish(lake, [reading(1, 5.0, h=40.0)])
    lake.store([reading(1, 6.0, "late", source="replace:mqtt")])
    settle(lake)
    assert marks(lake) == [(5.0, "on_time"), (6.0, "late")]


def test_an_import_that_was_there_first_is_not_doubled_by_the_device(lake: CorrectedLake) -> None:
    publish(lake, [reading(0, 1.0)])
    lake.store([reading(1, 5.0, "late")._replace(partition=-1, source="backfill")])
    lake.store([reading(1, 5.0, "late")])
    settle(lake)
    assert [mark for _, mark in marks(lake)] == ["late", "on_time", "duplicate"]
    correct_and_compare(lake)


def test_cut_off_between_marks_and_memory_the_next_corrector_ends_it(
    lake: CorrectedLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(lake, backlog("on_time", own_ids=False))
    settle(lake)
    before = answers(lake)
    lake.store([*backlog("late", own_ids=False), reading(7, 80.0, "late", source="replace:mqtt")])
    run = Memory.run

    def crash(self: Memory, name: str, **variables: Any) -> Any:
        if name == "take_late":
            raise KeyboardInterrupt
        return run(self, name, **variables)

    monkeypatch.setattr(Memory, "run", crash)
    with pytest.raises(KeyboardInterrupt):
        settle(lake)
    monkeypatch.undo()
    assert sum(mark == "duplicate" for _, mark in marks(lake)) == 40
    lake.restart_corrector()
    settle(lake)
    correct_and_compare(lake)
    assert answers(lake)["rollups_1m"] != before["rollups_1m"]
    lake.restart_corrector(forget=True)
    after = answers(lake)
    settle(lake)
    assert answers(lake) == after


def test_marks_change_in_the_archive_too(lake: CorrectedLake) -> None:
    publish(lake, [reading(1, 5.0), reading(2, 6.0)])
    _archive(lake)
    lake.store([reading(1, 5.0, "late"), reading(2, 95.0, "late", source="replace:mqtt")])
    settle(lake)
    archived = lake.lake.load_table(ARCHIVE).scan().to_pandas().sort_values("kafka_offset")
    assert list(archived["mark"]) == ["on_time", "replaced"]
    assert marks(lake) == [(5.0, "duplicate"), (95.0, "late")]


def _archive(lake: CorrectedLake) -> None:
    warm, archive = lake.lake.load_table(("iot", "readings")), lake.lake.load_table(ARCHIVE)
    files = list(live_files(warm).files.values())
    moved = rewrite(warm, files, Look({}), into=archive)
    assert moved is not None
    commit(archive, Swap([], [moved], Operation.APPEND, {}))
    commit(warm, Swap(files, [], Operation.DELETE, {"millrace.move": "test"}))


def test_marks_win_against_a_stream_that_commits_meanwhile(
    lake: CorrectedLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(lake, [reading(1, 5.0)])
    lake.store([reading(1, 5.0, "late")])
    times = iter(range(3))
    find = Table.scan

    def commit_first(self: Table, *args: Any, **options: Any) -> Any:
        if "kafka_offset" not in str(options.get("selected_fields")) and next(times, None) is not None:
            lake.store([reading(100, 1.0)])
        return find(self, *args, **options)

    monkeypatch.setattr(Table, "scan", commit_first)
    settle(lake)
    monkeypatch.undo()
    assert [mark for value, mark in marks(lake) if value == 5.0] == ["on_time", "duplicate"]


def test_marks_wait_while_rows_are_half_moved(lake: CorrectedLake) -> None:
    publish(lake, [reading(1, 5.0)])
    archive = lake.lake.load_table(ARCHIVE)
    archive.append(archive.schema().as_arrow().empty_table())
    with archive.transaction() as transaction:
        transaction.set_properties({"millrace.move": '{"id": "m", "leaving": [], "came": []}'})
    lake.store([reading(1, 5.0, "late")])
    with pytest.raises(CommitFailedException, match="half moved"):
        settle(lake)
    with archive.transaction() as transaction:
        transaction.remove_properties("millrace.move")
    settle(lake)
    assert [mark for _, mark in marks(lake)] == ["on_time", "duplicate"]


def test_any_mixture_counts_each_reading_once(lake: CorrectedLake) -> None:
    dice = Random(7)
    sent: list[Reading] = [
        reading(n // 2, float(n % 3), own_id="" if n % 2 else f"own-{n}") for n in range(60)
    ]
    sent = list({(one.event_id, one.event_time_ms): one for one in sent}.values())
    publish(lake, sent)
    for _ in range(4):
        lake.store([one._replace(mark="late") for one in dice.choices(sent, k=50)])
        settle(lake)
    counted = [one for one, (_, mark) in zip(lake.readings, marks(lake), strict=True) if mark == "on_time"]
    assert (len(marks(lake)), sorted(counted)) == (len(sent) + 200, sorted(sent))
    correct_and_compare(lake)
