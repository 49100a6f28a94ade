"""Small files are joined, old snapshots go, and nobody who reads or writes meanwhile notices."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from pyiceberg.table.snapshots import Operation

from catalog.ledger_files import new_rows, only_grew, snapshot_of
from catalog.ledger_source import stored_rows
from catalog.maintenance import compaction
from catalog.maintenance.budget import FILES_PER_DAY
from catalog.maintenance.committers import needed_way
from catalog.maintenance.compaction import compact
from catalog.maintenance.expiry import Keeping, expire
from catalog.maintenance.orphans import remove_orphans
from catalog.maintenance.reach import Reach
from catalog.maintenance.rewriting import Look, rewrite
from jobs.corrections.lake_reads import late_since
from millrace.clock import now_ms
from tests.integration.kept_lake import NOON_MS, QUICK, KeptLake, committed, kept_lake

pytestmark = [pytest.mark.integration, pytest.mark.lakehouse]

DAY_MS = 86_400_000
KEEP_NOTHING = Keeping(0, 0, 0)


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[KeptLake]:
    with kept_lake(tmp_path) as found:
        yield found


def test_many_small_files_become_one_sorted_file_with_the_same_rows(lake: KeptLake) -> None:
    lake.disorder(12)
    before = lake.rows()
    report = lake.maintain()
    assert len(before) == 12 * 7
    assert lake.rows() == before
    (path,) = lake.files()
    stored = pq.read_table(path.removeprefix("file://")).to_pylist()
    order = [(row["device_id"], row["tenant"], row["event_time"]) for row in stored]
    assert order == sorted(order)
    found = report.tables["iot.readings"]
    assert found.fitness.files == found.fitness.most_files == 1
    assert found.done.compacted[:3] == (12, 1, 84)
    assert found.fitness.within_budget


def test_a_pass_over_what_is_well_packed_commits_nothing(lake: KeptLake) -> None:
    lake.disorder(6)
    lake.maintain()
    before = lake.table().metadata_location
    lake.maintain()
    assert lake.table().metadata_location == before


def test_the_snapshot_says_that_nothing_but_files_changed_and_its_sums_are_right(lake: KeptLake) -> None:
    lake.disorder(5)
    compact(lake.table(), QUICK, now_ms())
    snapshot = lake.table().current_snapshot()
    assert snapshot is not None
    assert snapshot.summary is not None
    assert snapshot.summary.operation == Operation.REPLACE
    assert snapshot.summary["total-data-files"] == "1"
    assert stored_rows(lake.table()) == 35
    manifests = snapshot.manifests(lake.table().io)
    assert sum(manifest.existing_files_count or 0 for manifest in manifests) == 0
    assert sum(manifest.added_files_count or 0 for manifest in manifests) == 1


def test_many_small_manifests_become_few(lake: KeptLake) -> None:
    for day in range(10):
        lake.commit({"at_ms": NOON_MS + day * DAY_MS})
        lake.commit({"at_ms": NOON_MS + day * DAY_MS + 1})
    compact(lake.table(), QUICK, now_ms())
    snapshot = lake.table().current_snapshot()
    assert snapshot is not None
    live = [
        one
        for one in snapshot.manifests(lake.table().io)
        if one.has_added_files() or one.has_existing_files()
    ]
    assert len(live) <= 3
    assert len(lake.rows()) == 20


def test_a_commit_of_the_stream_between_reading_and_committing_is_kept(
    lake: KeptLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake.disorder(6)

    def slow(*words: object, **more: object) -> object:
        found = rewrite(*words, **more)  # type: ignore[arg-type]
        lake.commit({"device": "meanwhile"})
        return found

    monkeypatch.setattr(compaction, "rewrite", slow)
    done = compact(lake.table(), QUICK, now_ms())
    assert done.files_before == 6
    assert len(lake.files()) == 2
    assert [row[1] for row in lake.rows()][-1] == "meanwhile"
    assert len(lake.rows()) == 43
    assert committed(lake.table()) == lake.checkpoint


def test_appends_that_go_on_all_the_time_are_neither_lost_nor_doubled(lake: KeptLake) -> None:
    lake.disorder(4)
    stream = threading.Thread(target=lake.disorder, args=(12,))
    stream.start()
    while stream.is_alive():
        compact(lake.table(), QUICK, now_ms())
    stream.join()
    compact(lake.table(), QUICK, now_ms())
    offsets = [row[11 - 1] for row in lake.rows()]
    assert offsets == list(range(16 * 7))
    assert len(lake.files()) < 8


def test_a_file_that_somebody_took_away_refuses_the_swap_and_leaves_nothing_behind(
    lake: KeptLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake.disorder(6)

    def overtaken(*words: object, **more: object) -> object:
        found = rewrite(*words, **more)  # type: ignore[arg-type]
        monkeypatch.setattr(compaction, "rewrite", rewrite)
        compact(lake.table(), QUICK, now_ms())
        return found

    monkeypatch.setattr(compaction, "rewrite", overtaken)
    assert compact(lake.table(), QUICK, now_ms()) == compaction.Compacted()
    assert len(lake.rows()) == 42
    assert len(lake.on_disk()) == 6 + 1


def test_more_rows_than_fit_into_memory_are_sorted_across_the_whole_file(lake: KeptLake) -> None:
    lake.disorder(8)
    table = lake.table()
    files = [task.file for task in table.scan().plan_files()]
    made = rewrite(table, files, Look({}, rows_at_once=10))
    assert made is not None
    stored = pq.ParquetFile(made.file_path.removeprefix("file://"))
    rows = stored.read().to_pylist()
    order = [(row["device_id"], row["event_time"]) for row in rows]
    assert stored.num_row_groups == 4
    assert order == sorted(order)
    assert sorted(row["kafka_offset"] for row in rows) == list(range(56))


def test_readers_of_new_rows_see_each_once_however_files_are_joined(lake: KeptLake) -> None:
    lake.disorder(3)
    seen = snapshot_of(lake.table())
    lake.disorder(3)
    compact(lake.table(), QUICK, now_ms())
    lake.commit({"mark": "late"})
    table = lake.table()
    assert only_grew(table, seen)
    found = [offset for rows in new_rows(table, seen, ("kafka_offset",)) for offset in rows[0].to_pylist()]
    assert sorted(found) == list(range(21, 43))
    late = late_since(table, seen, 0)
    assert late is not None
    assert sorted(late.read_all()["kafka_offset"].to_pylist()) == [25, 32, 39, 42]


def test_a_reader_whose_snapshot_expired_starts_from_the_beginning(lake: KeptLake) -> None:
    lake.disorder(3)
    seen = snapshot_of(lake.table())
    lake.disorder(3)
    compact(lake.table(), QUICK, now_ms())
    lake.commit({})
    expire(lake.table(), KEEP_NOTHING, now_ms() + DAY_MS, Reach())
    table = lake.table()
    assert not only_grew(table, seen)
    late = late_since(table, seen, 0)
    assert late is not None
    assert sorted(late.read_all()["kafka_offset"].to_pylist()) == [4, 11, 18, 25, 32, 39]


def test_expiry_deletes_what_only_old_snapshots_named_and_nothing_else(lake: KeptLake) -> None:
    lake.disorder(6)
    rows = lake.rows()
    compact(lake.table(), QUICK, now_ms())
    lake.commit({"device": "after"})
    assert len(lake.on_disk()) == 8
    done = expire(lake.table(), KEEP_NOTHING, now_ms() + DAY_MS, Reach())
    assert done.snapshots == 7
    assert lake.on_disk() == set(lake.files())
    assert len(lake.files()) == 2
    assert lake.rows()[:-1] == rows
    metadata = lake.folder / "warehouse" / "iot" / "readings" / "metadata"
    assert len(list(metadata.glob("snap-*.avro"))) == 1


def test_a_snapshot_that_is_kept_can_still_be_read_after_its_files_were_joined(lake: KeptLake) -> None:
    lake.disorder(4)
    then, rows = snapshot_of(lake.table()), lake.rows()
    lake.disorder(2)
    compact(lake.table(), QUICK, now_ms())
    lake.table().manage_snapshots().create_tag(then, "asked").commit()
    expire(lake.table(), KEEP_NOTHING, now_ms() + DAY_MS, Reach())
    assert lake.table().snapshot_by_id(then) is not None
    assert lake.rows(snapshot_id=then) == rows


def test_a_committer_finds_its_last_checkpoint_after_any_number_of_passes_while_it_is_down(
    lake: KeptLake,
) -> None:
    lake.disorder(5)
    for day in range(1, 4):
        # Somebody else writes without telling checkpoints, as the corrector does.
        table = lake.table()
        for _ in range(4):
            table.append(table.scan(limit=1).to_arrow())
        lake.maintain(now_ms() + day * DAY_MS)
    table = lake.table()
    assert committed(table) == lake.checkpoint == 5
    # The way is kept and not one snapshot more.
    assert len(table.metadata.snapshots) <= 1 + 3 * 5


def test_a_job_that_was_replaced_may_come_back_for_an_hour_and_no_longer(lake: KeptLake) -> None:
    lake.commit({}, job="b" * 32)
    lake.disorder(3)
    metadata = lake.table().metadata
    assert len(list(needed_way(metadata))) == 4
    first, *others = metadata.snapshots
    long_ago = first.model_copy(update={"timestamp_ms": first.timestamp_ms - DAY_MS})
    older = metadata.model_copy(update={"snapshots": [long_ago, *others]})
    assert list(needed_way(older)) == [metadata.current_snapshot_id]


def test_orphans_go_when_they_are_old_and_what_the_stream_may_still_commit_stays(lake: KeptLake) -> None:
    lake.disorder(2)
    data = lake.folder / "warehouse" / "iot" / "readings" / "data"
    old, young = data / "old.parquet", data / "written-before-the-crash.parquet"
    for path in (old, young):
        path.write_bytes(b"nothing")
    last_ms = lake.table().metadata.snapshots[-1].timestamp_ms
    os.utime(old, ns=((last_ms - 4 * DAY_MS) * 1_000_000,) * 2)
    os.utime(young, ns=(last_ms * 1_000_000,) * 2)
    for uri in lake.on_disk() - {f"file://{old}", f"file://{young}"}:
        os.utime(uri.removeprefix("file://"), ns=((last_ms - 9 * DAY_MS) * 1_000_000,) * 2)
    # A month later: the stream was down all the time.
    found = remove_orphans(lake.table(), Reach(), now_ms() + 30 * DAY_MS)
    assert found == (1, 7)
    assert (old.exists(), young.exists()) == (False, True)
    assert len(lake.rows()) == 14


def test_orphans_of_a_table_without_a_stream_go_by_their_own_age(lake: KeptLake) -> None:
    table = lake.table("ledger")
    path = lake.folder / "warehouse" / "iot" / "ledger" / "data" / "lost.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"nothing")
    assert remove_orphans(table, Reach(), now_ms()).files == 0
    assert remove_orphans(table, Reach(), now_ms() + 4 * DAY_MS).files == 1


def test_a_day_that_is_written_to_stays_within_the_budget(lake: KeptLake) -> None:
    policy = QUICK._replace(quiet_ms=DAY_MS)
    for _ in range(4):
        lake.disorder(5)
        found = lake.maintain(policy=policy).tables["iot.readings"]
        assert found.fitness.most_files < policy.fan * 2 <= FILES_PER_DAY
    assert found.done.cpu_s > 0
    assert len(lake.rows()) == 4 * 5 * 7
