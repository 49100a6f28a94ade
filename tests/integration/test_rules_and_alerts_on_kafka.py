"""Rules reach Kafka, alerts come back from it: on a real broker, through crashes of both services."""

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from io import BytesIO
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from fastavro import schemaless_writer

from catalog.alert_transitions import Transition
from catalog.migrations import connect
from catalog.rule_store import Change, Entry, RuleStore
from jobs.alerts_keeper.keeper import Keeper
from jobs.alerts_keeper.transitions_log import decode
from millrace.clock import now_ms
from millrace.contracts import avro_schema, topics
from millrace.reading import Reading
from millrace.reading import decode as decode_reading
from millrace.settings import Settings
from tests.integration.alert_services import at, rows, rule, running, said
from tests.integration.own_services import start, until

pytestmark = [pytest.mark.integration, pytest.mark.alerts]


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    with running(tmp_path_factory.mktemp("kafka"), "postgres", "kafka") as config:
        yield config


def encoded(transition: Transition) -> bytes:
    buffer = BytesIO()
    texts = {name: str(value) for name, value in transition.evidence.items()}
    schemaless_writer(buffer, avro_schema("alerts"), transition._asdict() | {"evidence": texts})
    return buffer.getvalue()


def tell(config: Settings, *transitions: Transition | bytes) -> None:
    """Write to topic `alerts` as the job does: by device, in order."""
    producer = Producer({"bootstrap.servers": config.address("kafka"), "partitioner": "murmur2_random"})
    for one in transitions:
        if isinstance(one, bytes):
            producer.produce("alerts", one, b"nobody")
        else:
            producer.produce("alerts", encoded(one), f"{one.tenant}/{one.device_id}")
    assert producer.flush(30) == 0


def published(config: Settings) -> list[Reading]:
    """Return everything topic `rules` holds."""
    consumer = Consumer({"bootstrap.servers": config.address("kafka"), "group.id": "look"})
    found: list[Reading] = []
    with closing(consumer):
        for partition in range(topics()["rules"].partitions):
            low, high = consumer.get_watermark_offsets(TopicPartition("rules", partition), timeout=10)
            consumer.assign([TopicPartition("rules", partition, low)])
            messages = consumer.consume(high - low, timeout=20) if high > low else []
            assert [m.key() for m in messages] == [decode_reading(m.value() or b"").key for m in messages]
            found += [decode_reading(message.value() or b"") for message in messages]
    return found


def newest(config: Settings, tenant: str) -> dict[str, tuple[str, float]]:
    """Return state and version of each rule as a reader of the topic knows them."""
    found: dict[str, tuple[str, float]] = {}
    for reading in published(config):
        if reading.tenant == tenant and reading.attributes:
            found[reading.device_id] = (reading.attributes["state"], reading.metrics["version"])
    return found


def is_at(config: Settings, version: float) -> bool:
    return newest(config, "quick").get("r", ("", 0.0))[1] == version


def has_alerts(config: Settings, number: int) -> bool:
    return counts(config, "fast")[0] == number


@contextmanager
def process(config: Settings, name: str) -> Iterator[Callable[[], None]]:
    """Run one of our services, which ends when told to; what is yielded kills it and starts it again."""
    running_now: list[subprocess.Popen[bytes]] = [start(config, name)]

    def again() -> None:
        running_now[-1].kill()
        running_now[-1].wait()
        running_now.append(start(config, name))

    try:
        yield again
        running_now[-1].terminate()
        assert running_now[-1].wait(30) == 0
    finally:
        running_now[-1].kill()


def write(config: Settings, tenant: str, *entries: Entry) -> None:
    with connect(config) as connection:
        RuleStore(connection, tenant).import_rules(entries, Change("ann", at()))


def test_a_change_of_a_rule_is_in_kafka_within_a_second(services: Settings) -> None:
    write(services, "quick", Entry("before", "enabled", rule("before")))
    with process(services, "rules-publisher"):
        until(lambda: "before" in newest(services, "quick"))
        waits_ms: list[int] = []
        for number in range(5):
            changed_ms = now_ms()
            write(
                services, "quick", Entry("r", "shadow" if number else "enabled", rule("r", about=str(number)))
            )
            until(partial(is_at, services, number + 1.0))
            waits_ms.append(now_ms() - changed_ms)
        print("change to Kafka, ms:", waits_ms)
        assert sorted(waits_ms)[2] < 1_000
        with connect(services) as connection:
            RuleStore(connection, "quick").delete("r", None, Change("ann", at()))
        until(lambda: newest(services, "quick")["r"] == ("deleted", 6.0))
    last = [reading for reading in published(services) if reading.device_id == "before"][-1]
    assert last.attributes is not None
    assert '"temperature_c"' in last.attributes["rule"]


def test_a_publisher_that_is_killed_loses_no_change(services: Settings) -> None:
    with process(services, "rules-publisher") as kill_and_restart:
        for turn in range(4):
            write(
                services,
                "killed",
                *(Entry(f"r{n}", "enabled", rule(f"r{n}", about=str(turn))) for n in range(50)),
            )
            if turn % 2:
                kill_and_restart()
        wanted = {f"r{n}": ("enabled", 4.0) for n in range(50)}
        until(lambda: newest(services, "killed") == wanted)


def counts(config: Settings, tenant: str) -> tuple[int, int, int, int]:
    """Return alerts, active ones, history rows, and pages owed for these alerts."""
    (row,) = rows(
        config,
        "SELECT (SELECT count(*) FROM alert WHERE tenant = %s) AS a, "
        "(SELECT count(*) FROM alert WHERE tenant = %s AND state = 'open') AS o, "
        "(SELECT count(*) FROM alert_history WHERE tenant = %s) AS h, "
        "(SELECT count(*) FROM notification_alert WHERE tenant = %s AND reason = 'raised') AS n",
        *[tenant] * 4,
    )
    return row["a"], row["o"], row["h"], row["n"]


def storm(tenant: str, devices: int) -> list[Transition]:
    """Return what a storm says: all are raised, every other one clears."""
    raised = [said(tenant, "raised", f"d{n}", site=f"s{n % 7}") for n in range(devices)]
    cleared = [said(tenant, "cleared", f"d{n}", 200, site=f"s{n % 7}") for n in range(0, devices, 2)]
    return [*raised, *cleared]


def test_a_storm_through_kills_and_replays_leaves_each_alert_and_each_page_once(services: Settings) -> None:
    write(services, "storm", Entry("too-hot", "enabled", rule()))
    told = storm("storm", 1_000)
    wanted = (1_000, 500, 1_500, 1_000)
    with process(services, "alerts-keeper") as kill_and_restart:
        tell(services, *told[:700])
        until(lambda: counts(services, "storm")[0] > 100)
        kill_and_restart()
        # What a job restored from its last checkpoint says again.
        tell(services, *told[300:])
        kill_and_restart()
        started = time.monotonic()
        until(lambda: counts(services, "storm") == wanted)
        print(f"storm settled {time.monotonic() - started:.1f} s after the last kill")
        tell(services, *told)
        tell(services, said("storm", "raised", "last"))
        until(lambda: counts(services, "storm")[0] == 1_001)
        assert counts(services, "storm") == (1_001, 501, 1_501, 1_001)
    pages = rows(services, "SELECT payload FROM notification WHERE tenant = 'storm' AND reason = 'raised'")
    assert sum(page["payload"]["count"] for page in pages) == 1_001
    assert len(pages) < 30


def test_a_record_nobody_can_use_stops_nothing(services: Settings) -> None:
    write(services, "bad", Entry("too-hot", "enabled", rule()))
    with process(services, "alerts-keeper"):
        tell(
            services,
            said("bad", "raised", "a"),
            b"\xff\xff\xff",
            said("bad", "raised", "b", severity="deadly"),
            said("bad", "raised", "c\x00"),
            said("bad", "raised", "d"),
        )
        until(lambda: counts(services, "bad")[0] == 2)
        tell(services, said("bad", "cleared", "a", 90))
        until(lambda: counts(services, "bad")[1] == 1)


def test_an_alert_is_in_postgresql_within_a_second(services: Settings) -> None:
    with process(services, "alerts-keeper"):
        tell(services, said("fast", "raised", "first"))
        until(lambda: counts(services, "fast")[0] == 1)
        waits_ms: list[int] = []
        for number in range(10):
            told_ms = now_ms()
            tell(services, said("fast", "raised", f"d{number}"))
            until(partial(has_alerts, services, number + 2))
            waits_ms.append(now_ms() - told_ms)
        print("alert to PostgreSQL, ms:", sorted(waits_ms))
        assert sorted(waits_ms)[5] < 1_000


def test_of_two_keepers_one_works(services: Settings) -> None:
    with connect(services) as one, connect(services) as other:
        first, second = (Keeper(c, services.address("kafka"), now_ms) for c in (one, other))
        assert (first.alone(), second.alone()) == (True, False)
        one.close()
        until(second.alone)


def test_figures_come_back_as_numbers_and_words_as_words() -> None:
    evidence: dict[str, Any] = {"value": 91.5, "limit": 90, "why": "too hot", "odd": "nan"}
    found = decode(encoded(said("x", "raised")._replace(evidence=evidence)))
    assert found.evidence == {"value": 91.5, "limit": 90.0, "why": "too hot", "odd": "nan"}
