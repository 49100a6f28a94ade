"""The ledger on a real gateway, Kafka and catalog: it balances, and each injected defect is found and named.

The tests build on each other: one set of books, one defect after the other, each mended before the next.
"""

from collections.abc import Iterator
from datetime import UTC
from typing import Any
from uuid import uuid4

import pytest
from pyiceberg.expressions import AlwaysTrue

from catalog import ledger_source
from catalog.lake import load_lake
from catalog.ledger import Finding, Ledger
from catalog.ledger_device import DeviceLedger, device_ledger
from catalog.ledger_source import taken
from catalog.ledger_state import LedgerState
from catalog.ledger_table import LedgerTable
from catalog.ledger_writer import LedgerWriter
from millrace.clock import now_ms
from millrace.reading import Reading
from tests.integration.ledger_services import Books, rollup, running
from tests.integration.own_services import until

pytestmark = [pytest.mark.integration, pytest.mark.sessions]

LATER_MS = 20 * 60_000


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Books]:
    with running(tmp_path_factory.mktemp("books")) as found:
        yield found


@pytest.fixture
def books(shared: Books, monkeypatch: pytest.MonkeyPatch) -> Books:
    """The services with empty tables, looked at when everything of this test is due."""
    monkeypatch.setattr(ledger_source, "now_ms", lambda: now_ms() + LATER_MS)
    for name in ("readings", "rollups_1m", "dead_letters", "ledger"):
        table = load_lake(shared.config).load_table(("iot", name))
        table.delete(AlwaysTrue())
    shared.carried.clear()
    return shared


def element(device: str, number: int, **more: Any) -> dict[str, Any]:
    return {"device_id": device, "event_id": f"{device}-{number}", "metrics": {"a": 1.0, "b": 2.0}} | more


def named(found: Ledger, what: str) -> list[Finding]:
    return [finding for finding in found.findings if finding.what == what]


def device(books: Books, name: str) -> DeviceLedger:
    with taken(books.config, 0, LedgerState()) as look:
        return device_ledger("demo", name, 0, look)


def test_late_twice_sent_and_out_of_order_readings_balance_once_corrected(books: Books) -> None:
    name, now = f"d-{uuid4().hex[:6]}", now_ms()
    times = [now, now - 5_000, now - 3_600_000, now]
    sent = [element(name, number, event_time=time_ms) for number, time_ms in enumerate(times)]
    assert books.post(*sent, _ahead(name)) == {"accepted": 4, "rejected": 1}
    books.await_accounts(4)
    rows = books.carry({f"{name}-2": "late", f"{name}-3": "duplicate"})
    books.carry_dead_letters()
    found = books.take()
    assert [finding.where["device_id"] for finding in named(found, "window")] == [name, name]
    hour_ago = next(row["event_time"] for row in rows if row["event_id"] == f"{name}-2")
    minute = hour_ago.astimezone(UTC).replace(second=0, microsecond=0)
    books.append("rollups_1m", [rollup("demo", name, metric, minute, 1) for metric in ("a", "b")])
    found = books.take()
    assert found.balanced, found.as_json()
    one = device(books, name)
    assert one.balanced
    assert (one.marks, one.dead_letters) == ({"on_time": 2, "late": 1, "duplicate": 1, "replaced": 0}, 1)


def test_a_lost_row_is_named_by_offset_device_minute_and_window(books: Books) -> None:
    name = f"lost-{uuid4().hex[:6]}"
    books.post(*(element(name, number) for number in range(5)))
    rows = books.carry(keep=lambda record: record.fields["event_id"] != f"{name}-3")
    books.carry_dead_letters()
    found = books.take()
    (gap,) = named(found, "missing")
    assert not found.balanced
    assert gap.where["devices"] == [f"demo/{name}"]
    assert (gap.where["topic"], gap.where["first"]) == ("telemetry", gap.where["last"])
    received = next(row for row in rows if row["device_id"] == name)["received_at"]
    assert gap.where["minutes"] == [received.strftime("%Y-%m-%dT%H:%M:00.000Z")]
    assert gap.where["windows"]
    assert found.wrong_minutes()[0].note.startswith("1 in Kafka but not stored")
    one = device(books, name)
    assert (one.accepted, one.stored, one.missing, one.balanced) == (5, 4, 1, False)


def test_a_doubled_row_is_named_by_offset(books: Books) -> None:
    name = f"twice-{uuid4().hex[:6]}"
    books.post(element(name, 0))
    rows = [row for row in books.carry() if row["device_id"] == name]
    books.append("readings", rows)
    found = books.take()
    (twice,) = named(found, "repeated")
    assert twice.where["offsets"] == [rows[0]["kafka_offset"]]
    assert twice.where["partition"] == rows[0]["kafka_partition"]
    assert not found.balanced
    assert not device(books, name).balanced


def test_a_wrong_count_is_named_by_device_metric_and_window(books: Books) -> None:
    name = f"count-{uuid4().hex[:6]}"
    books.post(*(element(name, number) for number in range(3)))
    rows = [row for row in books.carry() if row["device_id"] == name]
    minute = rows[0]["event_time"].astimezone(UTC).replace(second=0, microsecond=0)
    held = sum(row["event_time"].astimezone(UTC).replace(second=0, microsecond=0) == minute for row in rows)
    books.append("rollups_1m", [rollup("demo", name, "a", minute, held + 4, revision=1)])
    found = books.take()
    (wrong,) = named(found, "window")
    place = {field: wrong.where[field] for field in ("device_id", "metric", "expected", "found", "revision")}
    assert place == {"device_id": name, "metric": "a", "expected": held, "found": held + 4, "revision": 1}
    assert wrong.where["window"] == minute.strftime("%Y-%m-%dT%H:%M:00.000Z")
    assert not found.balanced
    assert [(row["metric"], row["found"]) for row in device(books, name).wrong] == [("a", held + 4)]


def test_a_missing_dead_letter_is_named_by_offset_and_reason(books: Books) -> None:
    name = f"dead-{uuid4().hex[:6]}"
    books.post(_ahead(name), {"device_id": name, "metrics": {"a": "x"}})
    books.carry()
    books.carry_dead_letters(keep=lambda record: record.fields["device_id"] != name)
    found = books.take()
    (gap,) = named(found, "missing")
    assert gap.where["topic"] == "telemetry.dead-letter"
    reasons = ["future_event_time", "unknown_metric_type"]
    assert (gap.where["reasons"], gap.where["devices"]) == (reasons, [f"demo/{name}"])
    assert not found.balanced


def _ahead(name: str) -> dict[str, Any]:
    """An element the gateway refuses though it knows the device."""
    return element(name, 99, event_time=now_ms() + 3_600_000)


def test_what_a_killed_gateway_had_not_told_is_shown_and_balances(books: Books) -> None:
    name = f"kill-{uuid4().hex[:6]}"
    books.carry()
    before = books.untold()
    books.direct(_reading(name))
    for attempt in range(3):
        # A gateway tells once a second: killed at once it has told nothing, unless it was just that moment.
        books.post(*(element(name, 200 * attempt + number) for number in range(200)))
        books.kill_gateway()
        books.start_gateway()
        books.carry()
        if books.untold() > before:
            break
    books.carry_dead_letters()
    found = books.take().as_json()
    assert found["balanced"], found["findings"]
    assert before < found["gateways"]["unaccounted"] <= before + 200
    assert found["gateways"]["direct"] == 1
    assert any(one["unaccounted_spans"] for one in found["partitions"])
    assert sum(found["gateways"].values()) == found["accepted"]


def _reading(name: str) -> Reading:
    now = now_ms()
    return Reading(
        tenant="demo",
        device_id=name,
        event_id="direct",
        event_time=now,
        metrics={"a": 1.0},
        received_at=now,
        source="kafka",
    )


def test_the_writer_looks_only_at_what_is_new_and_writes_each_minute_once(books: Books) -> None:
    name = f"write-{uuid4().hex[:6]}"
    quick = books.config.flink.model_copy(update={"checkpoint_interval_ms": 1_000})
    config = books.config.model_copy(update={"flink": quick})
    writer = LedgerWriter(config)
    books.carry()
    untold = books.untold()
    books.post(element(name, 0))
    books.carry()
    books.carry_dead_letters()
    until(lambda: books.untold() == untold)
    assert writer.look().balanced
    first = _minutes_written(books)
    assert writer.look().balanced
    assert _minutes_written(books) == first
    assert len({row["minute"] for row in first}) == len(first)
    books.post(element(name, 1, event_time=round(first[0]["minute"].timestamp() * 1000)))
    books.carry()
    until(lambda: books.untold() == untold)
    grown = writer.look()
    again = LedgerWriter(config)
    assert again.look().stored == grown.stored
    written = _minutes_written(books)
    assert len(written) > len(first)
    assert len({(row["minute"], row["revision"]) for row in written}) == len(written)
    whole = books.take()
    assert whole.as_json()["rollups"] == grown.as_json()["rollups"]
    assert (config.folder / "ledger.json").exists()


def _minutes_written(books: Books) -> list[dict[str, Any]]:
    table = load_lake(books.config).load_table(("iot", "ledger"))
    rows: list[dict[str, Any]] = table.scan().to_arrow().to_pylist()
    return sorted(rows, key=lambda row: (row["minute"], row["revision"]))


def test_a_table_opened_again_knows_its_newest_revisions(books: Books) -> None:
    books.carry()
    books.carry_dead_letters()
    found = books.take()
    table = load_lake(books.config).load_table(("iot", "ledger"))
    written = LedgerTable(table).write(found.minutes, found.taken_at_ms)
    assert written == int(found.minutes.settled.sum()) > 0
    table = load_lake(books.config).load_table(("iot", "ledger"))
    assert LedgerTable(table).write(found.minutes, found.taken_at_ms) == 0


def test_rows_that_were_deleted_are_missed_though_an_earlier_look_saw_them(books: Books) -> None:
    name = f"gone-{uuid4().hex[:6]}"
    books.post(element(name, 0))
    books.carry()
    books.carry_dead_letters()
    state = LedgerState()
    assert books.take(state).balanced
    load_lake(books.config).load_table(("iot", "readings")).delete(f"device_id == '{name}'")
    found = books.take(state)
    assert [finding.where["devices"] for finding in named(found, "missing")] == [[f"demo/{name}"]]
