"""A device that is forgotten is in PostgreSQL, Redis and Iceberg no more, and the ledger still balances."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, TopicPartition
from redis import Redis

from catalog.forgetting.owner import owner_of
from catalog.forgetting.registry_store import forget_in_registry
from catalog.forgetting.report import write_report
from catalog.forgetting.run import forget
from catalog.ledger_state import LedgerState
from catalog.migrations import connect
from catalog.registry_entries import DeviceSettings
from catalog.registry_store import Registry
from jobs.contexts.publisher import publish_changes
from jobs.publishing.compacted_log import CompactedLog
from millrace.clock import now_ms
from millrace.secrets import load_secrets
from millrace.settings import Settings
from tests.integration.ledger_services import Books, running
from tests.integration.own_services import end, start, until
from udfs.hot_series import device_key, devices_key, series_key

pytestmark = [pytest.mark.integration, pytest.mark.lakehouse]

GONE = owner_of("demo", "gone")
STATEMENTS = Path(__file__).with_name("forgotten_rows.sql")


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Books]:
    with running(tmp_path_factory.mktemp("forget")) as found:
        redis = start(found.config, "redis")
        until(lambda: _answers(found.config))
        yield found
        end(redis)


def _answers(config: Settings) -> bool:
    try:
        return bool(_redis(config).ping())
    except Exception:  # noqa: BLE001 - it is only waited for
        return False


def _redis(config: Settings) -> Redis:
    return Redis(port=config.port("redis"), password=load_secrets(config).redis.get_secret_value())


@pytest.fixture
def publishing(books: Books) -> Iterator[None]:
    """Publish contexts as the service does."""
    over = threading.Event()

    def publish() -> None:
        log = CompactedLog(books.config.address("kafka"), "device-context")
        with connect(books.config) as connection:
            while not over.wait(0.1):
                publish_changes(connection, log, now_ms())

    thread = threading.Thread(target=publish)
    thread.start()
    yield
    over.set()
    thread.join()


def element(device: str, number: int) -> dict[str, object]:
    return {
        "device_id": device,
        "event_id": f"{device}{number}",
        "event_time": now_ms() - 90_000,
        "metrics": {"t": 1},
    }


def live(books: Books) -> None:
    """Devices send, also what is refused; the stream stores it; Redis, registry and alerts know them."""
    books.post(*(element(device, n) for n in range(20) for device in ("gone", "stays")))
    # Too far ahead: what is refused so late still names its device.
    books.post(*(element(device, 99) | {"event_time": 4_102_444_800_000} for device in ("gone", "stays")))
    # Refused as a whole: its letter names no device, and its bytes do.
    for device in ("gone", "gone-too"):
        books.post({"sensor": device, "temp": 1})
    books.await_accounts(40)
    books.carry()
    books.carry_dead_letters()
    store = _redis(books.config)
    for device in ("gone", "gone-too", "stays"):
        store.hset(device_key("demo", device), "t", "1 1")
        store.setrange(series_key("demo", device, "t", now_ms()), 0, b"x")
        store.zadd(devices_key("demo"), {device: 1})
    with connect(books.config) as connection:
        connection.execute(STATEMENTS.read_bytes())
        for device in ("gone", "stays"):
            Registry(connection, "demo").put_device(device, DeviceSettings(site="hall"))


def records(config: Settings, topic: str, partition: int, offset: int) -> tuple[bytes | None, bytes | None]:
    consumer = Consumer({"bootstrap.servers": config.address("kafka"), "group.id": "look"})
    consumer.assign([TopicPartition(topic, partition, offset)])
    message = consumer.poll(20)
    consumer.close()
    assert message is not None
    return message.key(), message.value()


def test_a_device_is_forgotten_in_every_store_and_the_report_proves_it(
    books: Books, publishing: None, tmp_path: Path
) -> None:
    live(books)
    before = books.take()
    assert before.findings == []
    report = forget(books.config, GONE)
    assert report.is_clean
    store = _redis(books.config)
    listed: Any = store.zrange(devices_key("demo"), 0, -1)
    assert sorted(listed) == [b"gone-too", b"stays"]
    assert not [key for key in store.scan_iter() if b":gone}" in key]
    assert len([key for key in store.scan_iter() if b":gone-too}" in key]) == 2
    assert report.hot.before == 3
    assert report.registry.is_told
    assert report.registry.before == {
        "device": 1, "device_removed": 0, "maintenance_window": 0, "alert": 1, "alert_history": 1,
        "alert_comment": 1, "notification": 1, "dead_letter_replay": 3, "audit": 1,
    }  # fmt: skip
    with connect(books.config) as connection:
        left = connection.execute("SELECT device_id FROM alert ORDER BY device_id").fetchall()
        assert left == [("stays",)]
        assert connection.execute("SELECT count(*) FROM notification").fetchall() == [(1,)]
        replays = connection.execute("SELECT dead_letter_id FROM dead_letter_replay ORDER BY 1").fetchall()
        assert replays == [("0-1",), ("0-4",), ("0-5",)]
    (tombstone,) = report.log.tombstones
    assert records(books.config, *tombstone) == (b"demo/gone", None)
    found = {one.table: one for one in report.lake}
    assert (found["iot.readings"].rows_before, found["iot.dead_letters"].rows_before) == (20, 2)
    assert [one.table for one in report.lake if one.rows_named_in_bytes] == ["iot.dead_letters"]
    (kept,) = (one for one in report.log.kept if one.topic == "telemetry.dead-letter")
    assert 0 <= kept.until_ms - report.began_ms - 30 * 24 * 3_600_000 <= report.ended_ms - report.began_ms
    after = books.take(LedgerState())
    assert after.findings == []
    assert (after.balanced, after.accepted, after.stored) == (before.balanced, 40, 20)
    assert sum(one.forgotten for one in after.partitions) == 20
    path = write_report(tmp_path, report)
    assert '"forgotten": true' in path.read_text()


def test_without_a_publisher_the_note_of_the_removal_stays_and_is_said(books: Books) -> None:
    with connect(books.config) as connection:
        Registry(connection, "demo").put_device("later", DeviceSettings())
    with connect(books.config) as connection:
        found = forget_in_registry(connection, owner_of("demo", "later"), patience_s=0)
    assert (found.is_told, found.is_clean, found.after["device_removed"]) == (False, False, 1)
