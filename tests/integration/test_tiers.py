"""Old readings move to the archive once, whatever happens in between; those older still are deleted."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pyiceberg.table import Table

from catalog import tables
from catalog.archive import MOVE, both, pending_move
from catalog.ledger_files import new_rows, only_grew, snapshot_of
from catalog.ledger_source import stored_rows
from catalog.maintenance.live_files import live_files
from catalog.maintenance.replacing import commit
from catalog.tiering import moving
from catalog.tiering.terms import DAY_MS, Days, Terms
from catalog.tiering.tierer import Tierer
from jobs.corrections.lake_reads import counted_readings
from millrace.contracts import SCHEMAS
from tests.integration.kept_lake import NOON_MS, KeptLake, kept_lake

pytestmark = [pytest.mark.integration, pytest.mark.lakehouse]

NOW_MS = NOON_MS + 100 * DAY_MS
TERMS = Terms({"demo/short": Days(10, 50), "demo/long": Days(1_000)}, Days(90))


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[KeptLake]:
    with kept_lake(tmp_path) as found:
        yield found


def archive(lake: KeptLake) -> Table:
    return lake.catalog.load_table(("iot_archive", "readings"))


def offsets(table: Table) -> list[int]:
    return sorted(table.scan(selected_fields=("kafka_offset",)).to_arrow()[0].to_pylist())


def told(lake: KeptLake) -> list[int]:
    """Return what a reader of both sees, sorted: a row that is lost or doubled shows."""
    found = [at for rows in new_rows(lake.table(), 0, ("kafka_offset",)) for at in rows[0].to_pylist()]
    return sorted(found)


def test_rows_older_than_the_default_move_and_younger_ones_stay(lake: KeptLake) -> None:
    lake.commit(
        {"at_ms": NOON_MS}, {"at_ms": NOON_MS + 1, "mark": "late"}, {"at_ms": NOON_MS, "mark": "duplicate"}
    )
    lake.commit({"at_ms": NOW_MS - 1_000})
    done = Tierer(lake.catalog).run_pass(TERMS, NOW_MS)
    assert done.moved == (3, 1)
    assert offsets(archive(lake)) == [0, 1, 2]
    assert offsets(lake.table()) == [3]
    assert told(lake) == [0, 1, 2, 3]
    assert pending_move(archive(lake)) is None


def test_devices_of_one_file_go_each_by_its_own_profile(lake: KeptLake) -> None:
    rows = [{"device": name, "at_ms": NOON_MS + 80 * DAY_MS} for name in ("long", "other", "short")]
    lake.commit(*rows)
    Tierer(lake.catalog).run_pass(TERMS, NOW_MS)
    assert (offsets(archive(lake)), offsets(lake.table())) == ([2], [0, 1])
    later = NOW_MS + 100 * DAY_MS
    Tierer(lake.catalog).run_pass(TERMS, later)
    # After 50 days nothing of `short` is kept at all.
    assert (offsets(archive(lake)), offsets(lake.table())) == ([1], [0])
    forgotten = lake.table("forgotten").scan().to_arrow().to_pylist()
    assert [(row["topic"], row["kafka_partition"], row["kafka_offset"]) for row in forgotten] == [
        ("telemetry", 0, 2)
    ]


def test_a_second_pass_finds_nothing_to_do(lake: KeptLake) -> None:
    lake.commit({"device": "long"}, {"device": "short"}, {})
    tierer = Tierer(lake.catalog)
    tierer.run_pass(TERMS, NOW_MS)
    before = lake.table().metadata_location, archive(lake).metadata_location
    assert tierer.run_pass(TERMS, NOW_MS).moved == (0, 0)
    assert (lake.table().metadata_location, archive(lake).metadata_location) == before


class CrashError(Exception):
    """The process ends here."""


def crash(*_: object, **__: object) -> None:
    raise CrashError


@pytest.mark.parametrize("step", ["settle", "_clear"])
def test_a_crash_between_the_commits_neither_loses_nor_doubles_a_row(
    lake: KeptLake, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    lake.commit({}, {}, {"at_ms": NOW_MS})
    lake.commit({}, {})
    tierer = Tierer(lake.catalog)
    with monkeypatch.context() as patch:
        real = moving.settle
        calls = iter([real, crash])
        if step == "settle":
            patch.setattr(moving, "settle", lambda *words: next(calls)(*words))
            patch.setattr("catalog.tiering.tierer.settle", lambda *words: next(calls)(*words))
        else:
            patch.setattr(moving, "_clear", crash)
        with pytest.raises(CrashError):
            tierer.run_pass(TERMS, NOW_MS)
    assert pending_move(archive(lake)) is not None
    assert told(lake) == [0, 1, 2, 3, 4]
    Tierer(lake.catalog).settle()
    assert pending_move(archive(lake)) is None
    assert told(lake) == [0, 1, 2, 3, 4]
    Tierer(lake.catalog).run_pass(TERMS, NOW_MS)
    assert (offsets(archive(lake)), offsets(lake.table())) == ([0, 1, 3, 4], [2])


def test_a_move_is_taken_back_when_a_file_was_written_anew_after_the_crash(
    lake: KeptLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake.commit({}, {})
    lake.commit({}, {})
    with monkeypatch.context() as patch:
        patch.setattr(moving, "settle", crash)
        with pytest.raises(CrashError):
            Tierer(lake.catalog).run_pass(TERMS, NOW_MS)
    lake.table().delete("kafka_offset = 1")
    Tierer(lake.catalog).settle()
    assert archive(lake).properties.get(MOVE) is None
    assert told(lake) == [0, 2, 3]
    Tierer(lake.catalog).run_pass(TERMS, NOW_MS)
    assert (offsets(archive(lake)), offsets(lake.table())) == ([0, 2, 3], [])


def test_a_reader_sees_each_row_once_at_every_step(lake: KeptLake, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(2):
        lake.commit({}, {}, {"device": "long"})
    seen: list[list[int]] = []
    real = commit

    def watched(*words: object, **more: object) -> int:
        seen.append(told(lake))
        found = real(*words, **more)  # type: ignore[arg-type]
        seen.append(told(lake))
        return found

    monkeypatch.setattr(moving, "commit", watched)
    Tierer(lake.catalog).run_pass(TERMS, NOW_MS)
    # Two files are split, what is due of them comes into the archive and leaves.
    assert len(seen) == 2 * 4
    assert {tuple(one) for one in seen} == {tuple(range(6))}


def test_the_ledger_takes_a_moved_row_for_stored(lake: KeptLake) -> None:
    lake.commit({}, {})
    since = snapshot_of(lake.table())
    Tierer(lake.catalog).run_pass(TERMS, NOW_MS)
    lake.commit({"at_ms": NOW_MS})
    table = lake.table()
    assert only_grew(table, since)
    assert [at for rows in new_rows(table, since, ("kafka_offset",)) for at in rows[0].to_pylist()] == [2]
    assert stored_rows(table) == 3


def test_a_late_reading_of_an_archived_minute_is_corrected_with_all_of_it(lake: KeptLake) -> None:
    lake.commit({"at_ms": NOON_MS}, {"at_ms": NOON_MS + 1_000})
    Tierer(lake.catalog).run_pass(TERMS, NOW_MS)
    lake.commit({"at_ms": NOON_MS + 2_000, "mark": "late"}, {"at_ms": NOON_MS, "mark": "duplicate"})
    found = counted_readings(lake.table(), ["pump"], [(NOON_MS, NOON_MS + 60_000)], ("kafka_offset",))
    assert sorted(found.read_all()["kafka_offset"].to_pylist()) == [0, 1, 2]


def test_archived_files_are_sorted_and_lie_where_they_should(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = SCHEMAS / "tables" / "iot_archive.readings.sql"
    monkeypatch.setattr(tables, "table_files", lambda: [file])
    with kept_lake(tmp_path) as lake:
        lake.catalog.drop_table(("iot_archive", "readings"))
        root = tmp_path / "bucket"
        tables.apply_tables(lake.catalog, {"iot_archive": root.as_uri()})
        lake.disorder(5)
        Tierer(lake.catalog).run_pass(TERMS, NOW_MS)
        table = archive(lake)
        (path,) = live_files(table).files
        assert path.startswith(root.as_uri())
        assert both(lake.table()) is not None
        rows = table.scan().to_arrow().to_pylist()
        order = [(row["device_id"], row["event_time"]) for row in rows]
        assert order == sorted(order)
        assert len(rows) == 35
