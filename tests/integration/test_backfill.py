"""Imported files: validated as by the gateway, stored once however often they come; the ledger balances."""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from catalog.backfills import PARTITION, BackfillBook, Origin
from catalog.lake import load_lake
from catalog.migrations import connect
from ingest.backfill.conflicts import Policy
from ingest.backfill.elements import Source, elements
from ingest.backfill.importing import Imported, Importer
from ingest.backfill.opened import dead_letter_log, open_lake
from ingest.replay.mapping import Mapping
from jobs.corrections.memory import Memory
from jobs.recompute.asked import Asked
from jobs.recompute.opened import open_sources
from jobs.recompute.rollups import Plan, recompute_rollups
from millrace.clock import from_iso, now_ms
from millrace.errors import MillraceError
from tests.integration.ledger_services import Books, running

pytestmark = [pytest.mark.integration, pytest.mark.lakehouse]

MAPPING = Mapping.model_validate(
    {
        "about": "two metrics of many devices",
        "device": {"column": "device"},
        "time": {"column": "at", "zone": "UTC"},
        "metrics": {"t": "t", "h": {"column": "h", "optional": True}},
    }
)
HEADER = "device,at,t,h\n"
# Two rows that say the same are one reading; one is out of order, two are of another device, one is empty.
GOOD = """a,2025-03-01T00:00:05Z,1.5,10
a,2025-03-01T00:00:45Z,2.5,
a,2025-03-01T00:00:25Z,-1,30
b,2025-03-01T00:01:00Z,4,40
a,2025-03-01T00:00:45Z,2.5,
b,2025-03-01T00:02:00Z,,
"""
BAD = """a,2025-03-01T00:03:00Z,warm,1
a b,2025-03-01T00:03:00Z,1,1
a,2999-01-01T00:00:00Z,1,1
a,yesterday,1,1
"""
REASONS = (("bad_device_id", 1), ("bad_row", 2), ("future_event_time", 1))


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Books]:
    with running(tmp_path_factory.mktemp("backfill")) as found:
        yield found


def import_files(
    books: Books, *files: Path, batch_rows: int = 3, tenant: str = "demo", policy: Policy | None = None
) -> Imported:
    with connect(books.config) as connection:
        book = BackfillBook(connection)
        with book.alone():
            origin = Origin(tenant, [path.name for path in files], "test")
            importer = Importer(open_lake(books.config), book, origin, dead_letter_log(books.config), policy)
            return importer.run(elements(files, MAPPING, Source(tenant, "", now_ms())), batch_rows)


def stored(books: Books) -> "pd.DataFrame":
    rows = load_lake(books.config).load_table(("iot", "readings")).scan().to_pandas()
    return rows[rows["kafka_partition"] == PARTITION]


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(HEADER + text)
    return path


def test_a_file_is_stored_once_however_often_it_comes_and_the_ledger_balances(
    books: Books, tmp_path: Path
) -> None:
    first = books.take()
    path = written(tmp_path, "history.csv", GOOD + BAD)
    found = import_files(books, path)
    assert (found.rows, found.new, found.same, found.refused) == (9, 4, 1, 4)
    assert found.reasons == REASONS
    assert (found.from_ms, found.to_ms) == tuple(
        map(from_iso, ("2025-03-01T00:00:05Z", "2025-03-01T00:01:00Z"))
    )
    again = import_files(books, path)
    assert (again.stored, again.same, again.refused, again.refused_before) == (0, 5, 0, 4)
    assert sorted(stored(books)["kafka_offset"]) == list(range(4))
    assert set(stored(books)["mark"]) == {"late"}
    books.carry_dead_letters()
    ledger = books.take()
    lines = {one.partition: one for one in ledger.partitions}
    assert (lines[PARTITION].accepted, lines[PARTITION].stored) == (4, 4)
    assert ledger.as_json()["dead_letter_reasons"]["bad_row"] == {"gateways": 0, "stored": 2}
    # Windows are not recomputed yet; that is all that may differ.
    assert {one.what for one in ledger.findings} <= {"window"}
    assert ledger.accepted - first.accepted == 4


def test_recomputed_rollups_of_an_import_equal_the_file(books: Books, tmp_path: Path) -> None:
    path = written(tmp_path, "recomputed.csv", GOOD.replace("2025-03", "2025-04"))
    import_files(books, path)
    begin_ms = from_iso("2025-04-01T00:00:00Z")
    asked = Asked("demo", ("a", "b"), begin_ms, begin_ms + 3_600_000)
    memory = Memory(tmp_path / "recompute.duckdb")
    lake = load_lake(books.config)
    sources = open_sources(lake)
    recompute_rollups(memory, Plan(sources, asked, False, now_ms()), "recompute-test", lambda _: None)
    memory.close()
    rollups = lake.load_table(("iot", "rollups_1m")).scan().to_arrow()
    query = f"""
        WITH wanted AS (
          SELECT device, metric, date_trunc('minute', "at"::TIMESTAMPTZ) AS minute,
            min(value), max(value), sum(value), count(*), arg_min(value, "at"), arg_max(value, "at")
          FROM (UNPIVOT (SELECT DISTINCT device, "at", t::DOUBLE AS t, h::DOUBLE AS h FROM '{path}')
            ON t, h INTO NAME metric VALUE value)
          GROUP BY ALL),
        found AS (
          SELECT device_id, metric, window_start, min, max, sum, "count", first, last FROM rollups
          WHERE window_start >= TIMESTAMPTZ '2025-04-01 00:00:00+00')
        SELECT (SELECT count(*) FROM wanted), (SELECT count(*) FROM (FROM wanted EXCEPT FROM found)),
          (SELECT count(*) FROM (FROM found EXCEPT FROM wanted))
    """
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.register("rollups", rollups)
        assert connection.execute(query).fetchall() == [(4, 0, 0)]


@pytest.mark.parametrize("was_stored", [False, True])
def test_an_import_that_was_cut_off_is_finished_by_the_next(
    books: Books, tmp_path: Path, was_stored: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    month = "2025-05" if was_stored else "2025-06"
    path = written(tmp_path, f"cut-{was_stored}.csv", GOOD.replace("2025-03", month))
    before = len(stored(books))

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(BackfillBook, "stored", crash)
    if not was_stored:
        monkeypatch.setattr(Importer, "_append", crash_after_reserving)
    with pytest.raises(KeyboardInterrupt):
        import_files(books, path)
    monkeypatch.undo()
    import_files(books, path)
    rows = stored(books)
    assert sorted(rows["kafka_offset"]) == list(range(before + 4))
    ledger = books.take()
    assert {one.what for one in ledger.findings} <= {"window"}
    assert [one.accepted for one in ledger.partitions if one.partition == PARTITION] == [before + 4]


def crash_after_reserving(*_: object) -> None:
    raise KeyboardInterrupt


def test_a_reading_the_stream_stored_already_is_not_imported(books: Books, tmp_path: Path) -> None:
    reading = {
        "device_id": "a",
        "event_id": "known:1",
        "event_time": "2025-07-01T00:00:05Z",
        "metrics": {"t": 1.5},
    }
    books.post(reading)
    books.await_accounts(1)
    books.carry()
    path = written(tmp_path, "known.csv", GOOD.replace("2025-03", "2025-07"))
    found = import_files(books, path)
    # What the device said counts; the file says more of that time.
    assert (found.new, found.same) == (4, 1)
    rows = stored(books)
    said = rows[rows["event_time"] == pd.Timestamp("2025-07-01T00:00:05Z")]
    assert [dict(metrics) for metrics in said["metrics"]] == [{"h": 10.0}]


def month(number: int, text: str = GOOD) -> str:
    return text.replace("2025-03", f"2024-{number:02}")


def values(books: Books, number: int, metric: str = "t") -> list[tuple[str, str, float, str]]:
    """Return (device, time of day, value, mark) of all imported rows of a month."""
    begin = f"2024-{number:02}-01T"
    found = [
        (row.device_id, row.event_time.isoformat()[11:19], dict(row.metrics)[metric], row.mark)
        for row in stored(books).sort_values("kafka_offset").itertuples()
        if row.event_time.isoformat().startswith(begin) and metric in dict(row.metrics)
    ]
    return sorted(found, key=lambda one: one[:2])


def test_a_rolling_export_of_the_same_name_adds_only_its_new_rows(books: Books, tmp_path: Path) -> None:
    lines = month(1).splitlines(keepends=True)
    import_files(books, written(tmp_path, "export.csv", "".join(lines[:2])))
    found = import_files(books, written(tmp_path, "export.csv", "".join(lines[1:4])))
    assert (found.rows, found.new, found.same) == (3, 2, 1)
    assert [mark for *_, mark in values(books, 1)] == ["late"] * 4


def test_two_daily_exports_of_one_name_and_one_device_are_both_imported(books: Books, tmp_path: Path) -> None:
    days = [f"a,2024-02-{day:02}T10:00:00Z,{day}.5,\n" for day in (1, 2)]
    for place, day in enumerate(days):
        folder = tmp_path / str(place)
        folder.mkdir()
        assert import_files(books, written(folder, "export.csv", day)).new == 1


def test_a_renamed_copy_adds_nothing_and_no_dead_letters(books: Books, tmp_path: Path) -> None:
    import_files(books, written(tmp_path, "one.csv", month(3, GOOD + BAD)))
    found = import_files(books, written(tmp_path, "copy.csv", month(3, GOOD + BAD)))
    assert (found.stored, found.same, found.refused, found.refused_before) == (0, 5, 0, 4)


def test_a_corrected_file_of_the_same_name_counts_and_keeps_the_old_values_marked(
    books: Books, tmp_path: Path
) -> None:
    text = month(4)
    import_files(books, written(tmp_path, "export.csv", text))
    corrected = text.replace("00:00:05Z,1.5,10", "00:00:05Z,99.5,10")
    found = import_files(books, written(tmp_path, "export.csv", corrected))
    assert (found.new, found.same, found.replaced, found.stored) == (0, 4, 1, 1)
    at = ("a", "00:00:05")
    assert [one for one in values(books, 4) if one[:2] == at] == [
        (*at, 1.5, "replaced"),
        (*at, 99.5, "late"),
    ]
    assert import_files(books, written(tmp_path, "export.csv", corrected)).stored == 0
    old = import_files(books, written(tmp_path, "export.csv", text))
    assert (old.same, old.stored) == (5, 0)
    undone = import_files(books, written(tmp_path, "export.csv", text), policy=Policy(restore=True))
    assert undone.replaced == 1
    assert [one[2:] for one in values(books, 4) if one[:2] == at] == [
        (1.5, "replaced"),
        (99.5, "replaced"),
        (1.5, "late"),
    ]
    books.carry_dead_letters()
    ledger = books.take()
    assert (ledger.marks["replaced"], {one.what for one in ledger.findings} - {"window"}) == (2, set())


def test_keep_and_both_do_as_they_say(books: Books, tmp_path: Path) -> None:
    text = month(5)
    import_files(books, written(tmp_path, "export.csv", text))
    other = text.replace("00:00:05Z,1.5,10", "00:00:05Z,99.5,10")
    kept = import_files(books, written(tmp_path, "e.csv", other), policy=Policy("keep"))
    assert (kept.kept, kept.same, kept.stored) == (1, 4, 0)
    both = import_files(books, written(tmp_path, "f.csv", other), policy=Policy("both"))
    assert (both.beside, both.same, both.stored) == (1, 4, 1)
    assert [one[2:] for one in values(books, 5) if one[:2] == ("a", "00:00:05")] == [
        (1.5, "late"),
        (99.5, "late"),
    ]


@pytest.mark.parametrize("batch_rows", [1, 100])
def test_the_last_of_two_values_in_one_file_counts_and_is_named(
    books: Books, tmp_path: Path, batch_rows: int
) -> None:
    number = 6 if batch_rows == 1 else 7
    text = month(number, "a,2025-03-01T00:00:05Z,1,\na,2025-03-01T00:00:05Z,2,\na,2025-03-01T00:00:05Z,1,\n")
    found = import_files(books, written(tmp_path, "twice.csv", text), batch_rows=batch_rows)
    assert (found.new, found.replaced, found.same) == (1, 1, 1)
    assert (found.conflicts_within, found.within) == (1, (f"a at 2024-0{number}-01T00:00:05.000Z",))
    assert [one[2:] for one in values(books, number)] == [(1.0, "replaced"), (2.0, "late")]


def test_only_one_imports_at_a_time(books: Books, tmp_path: Path) -> None:
    path = written(tmp_path, "second.csv", GOOD)
    with (
        connect(books.config) as connection,
        BackfillBook(connection).alone(),
        pytest.raises(MillraceError, match="somebody else imports"),
    ):
        import_files(books, path)
