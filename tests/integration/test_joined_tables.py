"""Every reader of a table of which one part was joined by maintenance and others are Flink's and Spark's."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.table import Table

from catalog.archive import archived_rows
from catalog.dead_letter_rows import Selection
from catalog.dead_letters import load, newest, summary
from catalog.device_history import Sought, events, sessions
from catalog.forgetting.held_rows import Search
from catalog.forgetting.owner import owner_of
from catalog.ledger_files import new_rows, table_where
from catalog.maintenance.live_files import live_files
from catalog.maintenance.passes import Maintainer
from catalog.maintenance.plan import Policy
from catalog.quality.day_rows import Source, Span, day_of, day_rows
from catalog.quality.terms import Terms
from catalog.raw_history import read_raw
from catalog.reading_history import Asked, ReadingHistory
from catalog.reading_lookup import stored_readings
from catalog.reading_window import Wanted, current, read_window
from catalog.rollup_history import read_minutes
from catalog.snapshot_files import Where
from catalog.tables import apply_tables
from catalog.tiering.choosing import Chooser
from catalog.tiering.retention import delete
from catalog.tiering.terms import Days
from catalog.tiering.terms import Terms as KeepingTerms
from ingest.backfill.stored import held_rows
from jobs.corrections.lake_reads import (
    counted_readings,
    late_since,
    published_sessions,
    published_windows,
    told_alerts,
)
from millrace.clock import now_ms
from millrace.reading import Reading
from tests.integration.foreign_files import append_as

pytestmark = [pytest.mark.integration, pytest.mark.stream, pytest.mark.sessions]

START_MS = 1_767_225_600_000
MINUTE_MS = 60_000
SPAN = (START_MS, START_MS + 60 * MINUTE_MS)
# Four files of Flink are joined, then two more come, one of them of Spark.
WRITERS = ("flink",) * 4 + ("joined", "flink", "spark", "narrow")
NUMBERS = range(len(WRITERS) - 1)


def moment(number: int) -> int:
    return (START_MS + number * MINUTE_MS) * 1000


def reading(number: int) -> dict[str, Any]:
    return {
        "tenant": "demo",
        "device_id": "pump",
        "event_id": f"e{number}",
        "event_time": moment(number),
        "metrics": [("flow", float(number))],
        "location": {"lat": 50.0, "lon": 7.0, "alt_m": 1.0},
        "attributes": [("room", "a")],
        "received_at": moment(number),
        "source": "mqtt",
        "kafka_partition": 0,
        "kafka_offset": number,
        "mark": "late" if number % 2 else "on_time",
    }


def given_reading(number: int) -> Reading:
    at_ms = START_MS + number * MINUTE_MS
    return Reading(
        tenant="demo",
        device_id="pump",
        event_id=f"e{number}",
        source="import",
        event_time=at_ms,
        received_at=at_ms,
        metrics={"flow": 1.0},
    )


def letter(number: int) -> dict[str, Any]:
    return {
        "dead_letter_id": f"0-{number}",
        "reason": "not_utf8",
        "detail": "byte 0",
        "tenant": "demo",
        "device_id": "pump",
        "address": "/v1/telemetry",
        "received_at": moment(number),
        "source": "http",
        "original": b"\xff",
        "kafka_partition": 0,
        "kafka_offset": number,
    }


def minute(number: int) -> dict[str, Any]:
    values = dict.fromkeys(("min", "max", "sum", "first", "last"), float(number))
    place = {"tenant": "demo", "device_id": "pump", "metric": "flow", "window_start": moment(number)}
    return place | values | {"count": 1, "late_count": 0, "revision": 0, "complete": True}


def session(number: int) -> dict[str, Any]:
    place = {"tenant": "demo", "device_id": "pump", "session_start": moment(number)}
    figures = {"session_end": moment(number) + 1000, "readings": 2, "gaps": 0, "late_count": 0, "revision": 0}
    return place | figures | {"site": "hall", "profile": "pump", "superseded": False}


def event(number: int) -> dict[str, Any]:
    names = {"event_id": f"e{number}", "type": "online", "tenant": "demo", "device_id": "pump"}
    times = {"event_time": moment(number), "detected_at": moment(number)}
    more = {"site": "hall", "cause": "first_reading", "part_of": "", "devices": 1, "details": [("a", "1")]}
    return names | times | more


def alert(number: int) -> dict[str, Any]:
    names = {"tenant": "demo", "alert_id": f"a{number}", "device_id": "pump", "site": "hall", "rule": "hot"}
    life = {"rule_version": 1, "kind": "raised", "severity": "warning", "shadow": False, "retroactive": False}
    return names | life | {"onset": moment(number), "at": moment(number), "evidence": [("value", "9")]}


ROWS: dict[str, Callable[[int], dict[str, Any]]] = {
    "iot.readings": reading,
    "iot_archive.readings": reading,
    "iot.dead_letters": letter,
    "iot.rollups_1m": minute,
    "iot.sessions": session,
    "iot.device_events": event,
    "iot.alert_events": alert,
}


class JoinedLake:
    """Tables that hold one row of each number, in files of three writers."""

    def __init__(self, folder: Path) -> None:
        place = {"uri": f"sqlite:///{folder}/catalog.db", "warehouse": folder.as_uri()}
        self.catalog, self.folder = SqlCatalog("lake", **place, schema_version="v1"), folder
        apply_tables(self.catalog)

    def table(self, name: str) -> Table:
        """Return a table, filled when it is first asked for."""
        table = self.catalog.load_table(name)
        if table.current_snapshot() is None:
            self._fill(table, ROWS[name])
        return table

    def _fill(self, table: Table, row: Callable[[int], dict[str, Any]]) -> None:
        number = 0
        for writer in WRITERS:
            if writer == "joined":
                policy = Policy(fan=4, quiet_ms=0)
                Maintainer(self.catalog, None, lambda: None, policy).run_pass(
                    now_ms(), [".".join(table.name())]
                )
                table.refresh()
                assert len(list(table.scan().plan_files())) == 1
                continue
            append_as(writer, table, [row(number)], self.folder)  # type: ignore[arg-type]
            number += 1


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[JoinedLake]:
    made = JoinedLake(tmp_path)
    yield made
    made.catalog.close()


def test_dead_letters_are_paged_counted_and_loaded(lake: JoinedLake) -> None:
    table = lake.table("iot.dead_letters")
    wanted = Selection("demo", True, *SPAN)
    for limit in (1, 3, 100):
        found = newest(table, wanted, limit)
        assert [one.kafka_offset for one in found] == list(reversed(NUMBERS))[:limit]
    assert [one.letters for one in summary(table, wanted)] == [len(NUMBERS)]
    assert sorted(one.kafka_offset for one in load(table, [(0, n) for n in NUMBERS])) == list(NUMBERS)


def test_rows_of_a_forgotten_device_are_found_with_their_places(lake: JoinedLake) -> None:
    for name in ("iot.dead_letters", "iot.readings"):
        search = Search(lake.table(name), owner_of("demo", "pump"))
        held = search.now()
        assert sum(one.rows for one in held) == len(NUMBERS)
        assert sorted(search.places(held)["kafka_offset"].to_pylist()) == list(NUMBERS)
    assert len(Search(lake.table("iot.readings"), owner_of("demo", "fan")).places([])) == 0


def test_the_ledger_reads_all_and_what_is_new(lake: JoinedLake) -> None:
    table = lake.table("iot.readings")
    columns = ("device_id", "metrics", "kafka_partition", "kafka_offset", "event_time")
    found = table_where(table, "device_id = 'pump'", columns)
    assert sorted(found["kafka_offset"].to_pylist()) == list(NUMBERS)
    rows = [offset for part in new_rows(table, 0, columns) for offset in part["kafka_offset"].to_pylist()]
    # Both tiers: an archive was filled when it was asked for, here none was.
    assert sorted(rows) == list(NUMBERS)


@pytest.mark.parametrize("where", ["iot.readings", "both"])
def test_history_backtests_and_explanations_read_every_reading(lake: JoinedLake, where: str) -> None:
    table = lake.table("iot.readings")
    tables = [table, lake.table("iot_archive.readings")] if where == "both" else [table]
    places = [(one, snapshot) for one in tables if (snapshot := one.current_snapshot())]
    rows = read_raw(places, Where("demo", *SPAN, frozenset({"pump"})))
    assert rows["kafka_offset"].to_pylist() == list(NUMBERS)
    asked = Asked("demo", *SPAN, metrics=("flow",), located=True)
    (device,) = ReadingHistory(table, asked).devices()
    assert device.metrics["flow"] == [float(n) for n in NUMBERS]
    commit = current(table)
    assert commit is not None
    window = read_window(table, commit, Wanted("demo", frozenset({"pump"}), *SPAN, START_MS))
    assert [one.metrics["flow"] for one in window.readings("pump")] == [float(n) for n in NUMBERS]
    names = [f"demo/pump/e{n}" for n in NUMBERS]
    assert stored_readings(table, names, START_MS) == set(names)


def test_minutes_sessions_events_and_alerts_are_read_whole(lake: JoinedLake) -> None:
    rollups = lake.table("iot.rollups_1m")
    snapshot = rollups.current_snapshot()
    assert snapshot is not None
    where = Where("demo", *SPAN, frozenset({"pump"}), "window_start")
    found = read_minutes(rollups, snapshot, where, None)
    assert found["pump", "flow"].numbers["sum"].tolist() == [float(n) for n in NUMBERS]
    sought = Sought("demo", "pump", *SPAN)
    assert len(sessions(lake.table("iot.sessions"), sought, 100)) == len(NUMBERS)
    assert len(events(lake.table("iot.device_events"), sought, 100)) == len(NUMBERS)
    assert told_alerts(lake.table("iot.alert_events"), ["a1", "a6"], SPAN)["alert_id"].to_pylist() == [
        "a6",
        "a1",
    ]


def counted(rows: Any) -> int:
    """Let DuckDB read rows, as the corrector does."""
    with duckdb.connect() as connection:
        connection.register("given", rows)
        found = connection.execute("SELECT count(DISTINCT device_id), count(*) FROM given").fetchone()
    assert found is not None and found[0] == 1
    return int(found[1])


def test_the_corrector_reads_every_row_of_both_tiers(lake: JoinedLake) -> None:
    table = lake.table("iot.readings")
    assert counted(late_since(table, None, 0)) == 3
    assert counted(counted_readings(table, ["pump"], [SPAN], ("location", "attributes"))) == len(NUMBERS)
    assert counted(published_windows(lake.table("iot.rollups_1m"), ["pump"], [SPAN])) == len(NUMBERS)
    assert counted(published_sessions(lake.table("iot.sessions"), ["pump"], SPAN)) == len(NUMBERS)
    lake.table("iot_archive.readings")
    assert counted(counted_readings(table, ["pump"], [SPAN], ("location",))) == 2 * len(NUMBERS)
    batches = archived_rows(table, table.scan().row_filter, ("device_id", "metrics"))
    assert sum(batch.num_rows for batch in batches) == len(NUMBERS)


def test_an_import_knows_what_is_stored(lake: JoinedLake) -> None:
    given = [given_reading(n) for n in NUMBERS]
    assert len(held_rows([lake.table("iot.readings")], given)) == len(NUMBERS)


def test_quality_looks_at_every_row(lake: JoinedLake) -> None:
    table = lake.table("iot.readings")
    snapshot = table.current_snapshot()
    assert snapshot is not None
    source = Source(table, snapshot.snapshot_id, ("device_id", "event_time", "metrics"), "event_time", None)
    with day_rows(source, Span(day_of(START_MS), now_ms()), Terms([]), lake.folder) as day:
        assert day.execute("SELECT count(*), count(DISTINCT device_id) FROM readings").fetchall() == [
            (len(NUMBERS), 1)
        ]


def test_what_is_over_its_days_is_chosen_and_deleted_with_its_places_noted(lake: JoinedLake) -> None:
    archive, forgotten = lake.table("iot_archive.readings"), lake.catalog.load_table("iot.forgotten")
    terms = KeepingTerms({"demo/pump": Days(kept=1)})
    due = Chooser("kept").due(archive, terms, now_ms())
    assert len(due.whole) == len(live_files(archive).files)
    assert delete(archive, forgotten, due.whole).rows == len(NUMBERS)
    assert sorted(forgotten.scan().to_arrow()["kafka_offset"].to_pylist()) == list(NUMBERS)


def test_maintenance_joins_files_of_all_writers(lake: JoinedLake) -> None:
    for name in ROWS:
        table = lake.table(name)
        before = sorted(map(repr, table.scan().to_arrow().to_pylist()))
        Maintainer(lake.catalog, None, lambda: None, Policy(fan=2, quiet_ms=0)).run_pass(now_ms(), [name])
        table.refresh()
        assert len(list(table.scan().plan_files())) < len(NUMBERS) - 3
        assert sorted(map(repr, table.scan().to_arrow().to_pylist())) == before
