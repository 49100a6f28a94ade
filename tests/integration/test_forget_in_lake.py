"""A forgotten device is in no file of the lake; what others wrote, and what the stream committed, stays."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from pyiceberg.exceptions import CommitFailedException
from pyiceberg.table import Table

from catalog.branch import Branch
from catalog.forgetting.held_rows import Search
from catalog.forgetting.lake_store import TableForgotten, forget_in_lake
from catalog.forgetting.owner import owner_of
from catalog.forgetting.retiring import tell_again
from millrace.errors import MillraceError
from tests.integration.corrected_lake import JOB_IDS, TENANT, CorrectedLake, Reading

pytestmark = [pytest.mark.integration, pytest.mark.lakehouse]

T0 = 1_767_225_600_000
OWNER = owner_of(TENANT, "gone")


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[CorrectedLake]:
    found = CorrectedLake(tmp_path)
    yield found
    found.close()


def at(second: float, device: str, mark: str = "on_time") -> Reading:
    return Reading(device, f"{device}{second}{mark}", T0 + round(second * 1000), {"t": second}, mark)


def lived(lake: CorrectedLake) -> list[Reading]:
    """Several commits: files of it alone, shared, and of others alone; late, twice, out of order."""
    commits = [
        [at(5, "gone"), at(7, "stays")],
        [at(9, "gone")],
        [at(70, "stays"), at(65, "stays"), at(66, "gone")],
        [at(8, "gone", "late"), at(5, "gone", "duplicate"), at(5, "stays", "late")],
        [at(130, "stays")],
    ]
    for one in commits:
        lake.store(one)
        lake.tell_windows(one)
        lake.tell_sessions(one)
    return [reading for one in commits for reading in one]


def in_files(lake: CorrectedLake, device: str) -> int:
    """Count rows of a device in all Parquet files there are, whatever any snapshot says of them."""
    found = 0
    for folder in sorted(lake.folder.glob("iot.db/*/data")) + sorted(lake.folder.glob("iot/*/data")):
        files = f"{folder}/**/*.parquet"
        if not any(folder.rglob("*.parquet")):
            continue
        with duckdb.connect() as connection:
            columns = {row[0] for row in connection.execute(f"DESCRIBE FROM '{files}'").fetchall()}
            if "device_id" in columns:
                query = f"SELECT count(*) FROM read_parquet('{files}') WHERE device_id = ?"
                found += int(connection.execute(query, [device]).fetchall()[0][0])
    return found


def by_name(found: list[TableForgotten]) -> dict[str, TableForgotten]:
    return {one.table: one for one in found}


def of_others(lake: CorrectedLake, table: str) -> list[Any]:
    rows = lake.rows(table)
    own = rows[rows["device_id"] == "stays"].astype(str)
    return sorted(map(tuple, own.to_numpy().tolist()))


def committed(table: Table, job: str) -> int:
    """What Flink's committer finds when it starts again: the walk of its sink, told anew."""
    snapshots = {one.snapshot_id: one for one in table.snapshots()}
    snapshot = table.current_snapshot()
    while snapshot is not None:
        if snapshot.summary and snapshot.summary["flink.job-id"] == job:
            return int(snapshot.summary["flink.max-committed-checkpoint-id"] or -1)
        snapshot = snapshots.get(snapshot.parent_snapshot_id or 0)
    return -1


def test_no_file_holds_a_forgotten_device_and_others_keep_every_row(lake: CorrectedLake) -> None:
    lived(lake)
    assert in_files(lake, "gone") > 0
    others = {name: of_others(lake, name) for name in ("readings", "rollups_1m", "sessions")}
    stays = in_files(lake, "stays")
    found = by_name(forget_in_lake(lake.lake, OWNER))
    assert in_files(lake, "gone") == 0
    assert {name: of_others(lake, name) for name in others} == others
    assert in_files(lake, "stays") == stays
    readings = found["iot.readings"]
    assert (readings.rows_before, readings.rows_after, readings.files_before) == (5, 0, 4)
    assert all(one.is_clean for one in found.values())
    assert len(readings.snapshots_expired) == 5


def test_places_of_its_messages_are_noted_once_each(lake: CorrectedLake) -> None:
    readings = lived(lake)
    forget_in_lake(lake.lake, OWNER)
    rows = lake.rows("forgotten")
    wanted = [place for place, one in enumerate(readings) if one.device_id == "gone"]
    assert sorted(rows["kafka_offset"].tolist()) == wanted
    assert set(rows["topic"]) == {"telemetry"}
    assert rows["received_at"].dt.second.unique().tolist() == [0]


def test_forgetting_twice_finds_nothing_more(lake: CorrectedLake) -> None:
    lived(lake)
    forget_in_lake(lake.lake, OWNER)
    found = forget_in_lake(lake.lake, OWNER)
    assert {(one.rows_before, one.files_before, one.snapshots_expired) for one in found} == {(0, 0, ())}
    assert len(lake.rows("forgotten")) == 5


def test_a_committer_finds_its_last_checkpoint_after_the_snapshot_that_told_it_is_gone(
    lake: CorrectedLake,
) -> None:
    lived(lake)
    tables = {"readings": "telemetry", "rollups_1m": "telemetry", "sessions": "sessions"}

    def found() -> dict[str, int]:
        return {n: committed(lake.lake.load_table(("iot", n)), JOB_IDS[j]) for n, j in tables.items()}

    before = found()
    assert min(before.values()) > 0
    forget_in_lake(lake.lake, OWNER)
    assert found() == before
    lake.store([at(200, "stays")])
    assert committed(lake.lake.load_table(("iot", "readings")), JOB_IDS["telemetry"]) == lake.checkpoint


def test_an_older_checkpoint_is_never_told_on_top_of_a_newer_one(lake: CorrectedLake) -> None:
    lived(lake)
    stale = lake.lake.load_table(("iot", "readings"))
    holding = {one.snapshot_id for one in stale.snapshots()}
    lake.store([at(200, "stays")])
    with pytest.raises(CommitFailedException):
        tell_again(stale, holding)
    assert committed(lake.lake.load_table(("iot", "readings")), JOB_IDS["telemetry"]) == lake.checkpoint


def test_what_the_stream_commits_meanwhile_stays_and_what_is_of_the_device_goes(
    lake: CorrectedLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    lived(lake)
    later = iter(
        [[at(300, "stays"), at(301, "gone")], [at(302, "stays")], [at(303, "stays"), at(304, "gone")]]
    )
    places = Search.places

    def committing(self: Search, held: Any) -> Any:
        # Between finding the rows and rewriting their files.
        for one in later:
            lake.store(one)
            break
        return places(self, held)

    monkeypatch.setattr(Search, "places", committing)
    forget_in_lake(lake.lake, OWNER)
    assert in_files(lake, "gone") == 0
    rows = lake.rows("readings")
    wanted = sorted(one.event_id for one in lake.readings if one.device_id == "stays")
    assert sorted(rows["event_id"]) == wanted
    assert not rows.duplicated(["kafka_partition", "kafka_offset"]).any()
    gone = [place for place, one in enumerate(lake.readings) if one.device_id == "gone"]
    assert sorted(set(lake.rows("forgotten")["kafka_offset"])) == gone


def test_rows_of_nobody_stay(lake: CorrectedLake) -> None:
    letter = {
        "reason": "not_utf8", "detail": "byte 0", "address": "t", "received_at": T0 * 1000, "source": "mqtt",
        "original": b"x", "kafka_partition": 0,
    }  # fmt: skip
    owners: list[dict[str, Any]] = [
        {"tenant": None, "device_id": None},
        {"tenant": TENANT, "device_id": None},
        {"tenant": TENANT, "device_id": "gone"},
        {"tenant": "other", "device_id": "gone"},
    ]
    rows = [
        letter | one | {"kafka_offset": place, "dead_letter_id": f"0-{place}"}
        for place, one in enumerate(owners)
    ]
    lake.append("dead_letters", rows)
    forget_in_lake(lake.lake, OWNER)
    assert sorted(lake.rows("dead_letters")["kafka_offset"]) == [0, 1, 3]
    assert lake.rows("forgotten")[["topic", "kafka_offset"]].to_numpy().tolist() == [
        ["telemetry.dead-letter", 2]
    ]


def test_a_branch_that_holds_the_device_goes_and_is_not_published(lake: CorrectedLake) -> None:
    lived(lake)
    table = lake.lake.load_table(("iot", "rollups_1m"))
    branch = Branch(table, "recompute-test", "recompute")
    branch.append(table.scan().to_arrow().slice(0, 1))
    found = by_name(forget_in_lake(lake.lake, OWNER))
    assert found["iot.rollups_1m"].refs_dropped == ("recompute-test",)
    assert in_files(lake, "gone") == 0
    with pytest.raises(MillraceError, match="dropped"):
        branch.publish()


@pytest.mark.parametrize("device", ["", "*", "a b", "{x}", "a/b", "a\n"])
def test_what_is_no_name_of_a_device_is_refused(device: str) -> None:
    with pytest.raises(MillraceError, match="is no device"):
        owner_of(TENANT, device)
