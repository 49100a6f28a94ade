"""Imported files: validated as by the gateway, stored once however often they come; the ledger balances."""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from catalog.backfills import PARTITION, BackfillBook, Origin
from catalog.lake import load_lake
from catalog.migrations import connect
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
# Two rows that say the same are two events; one is out of order, two are of another device, one is empty.
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


def import_files(books: Books, *files: Path, batch_rows: int = 3, tenant: str = "demo") -> Imported:
    with connect(books.config) as connection:
        book = BackfillBook(connection)
        with book.alone():
            origin = Origin(tenant, [path.name for path in files], "test")
            importer = Importer(open_lake(books.config), book, origin, dead_letter_log(books.config))
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
    assert (found.rows, found.imported, found.known, found.refused) == (9, 5, 0, 4)
    assert found.reasons == REASONS
    assert (found.from_ms, found.to_ms) == tuple(
        map(from_iso, ("2025-03-01T00:00:05Z", "2025-03-01T00:01:00Z"))
    )
    again = import_files(books, path)
    assert (again.imported, again.known, again.refused, again.refused_before) == (0, 5, 0, 4)
    assert sorted(stored(books)["kafka_offset"]) == list(range(5))
    assert set(stored(books)["mark"]) == {"late"}
    books.carry_dead_letters()
    ledger = books.take()
    lines = {one.partition: one for one in ledger.partitions}
    assert (lines[PARTITION].accepted, lines[PARTITION].stored) == (5, 5)
    assert ledger.as_json()["dead_letter_reasons"]["bad_row"] == {"gateways": 0, "stored": 2}
    # Windows are not recomputed yet; that is all that may differ.
    assert {one.what for one in ledger.findings} <= {"window"}
    assert ledger.accepted - first.accepted == 5


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
          FROM (UNPIVOT (SELECT device, "at", t::DOUBLE AS t, h::DOUBLE AS h FROM '{path}')
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
    assert sorted(rows["kafka_offset"]) == list(range(before + 5))
    ledger = books.take()
    assert {one.what for one in ledger.findings} <= {"window"}
    assert [one.accepted for one in ledger.partitions if one.partition == PARTITION] == [before + 5]


def crash_after_reserving(*_: object) -> None:
    raise KeyboardInterrupt


def test_a_reading_the_stream_stored_already_is_not_imported(books: Books, tmp_path: Path) -> None:
    reading = {
        "device_id": "a",
        "event_id": "known:1",
        "event_time": "2025-07-01T00:00:05Z",
        "metrics": {"t": 1},
    }
    books.post(reading)
    books.await_accounts(1)
    books.carry()
    path = written(tmp_path, "known.csv", GOOD.replace("2025-03", "2025-07"))
    found = import_files(books, path)
    assert (found.imported, found.known) == (4, 1)


def test_only_one_imports_at_a_time(books: Books, tmp_path: Path) -> None:
    path = written(tmp_path, "second.csv", GOOD)
    with (
        connect(books.config) as connection,
        BackfillBook(connection).alone(),
        pytest.raises(MillraceError, match="somebody else imports"),
    ):
        import_files(books, path)
