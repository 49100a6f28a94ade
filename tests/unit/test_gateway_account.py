"""The gateway tells which offsets Kafka gave it: every one once, in few ranges, and nothing that failed."""

from io import BytesIO
from typing import Any

import pytest
from fastavro import schemaless_reader
from hypothesis import given
from hypothesis import strategies as st

from ingest.gateway.account import TOPIC, Account, Run, Runs
from ingest.gateway.intake import Intake
from ingest.gateway.metrics import GatewayMetrics
from ingest.gateway.normalise import Envelope
from ingest.gateway.producer import OnAck, OnPlace
from millrace.contracts import avro_schema

pytestmark = [pytest.mark.gateway, pytest.mark.sessions]

NOW_MS = 1_767_225_600_000
MINUTE = NOW_MS // 60_000
GOOD = b'{"device_id":"d1","metrics":{"a":1}}'
BAD = b'{"device_id":"d1","metrics":{"a":"x"}}'


class Clock:
    def __init__(self) -> None:
        self.now_ms = NOW_MS

    def __call__(self) -> int:
        return self.now_ms


class PlacingLog:
    """Answers at once: the next offset of partition 0, or the error it is told to give."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []
        self.errors: list[str] = []
        self._next = {"telemetry": 0, "telemetry.dead-letter": 0}

    def produce(
        self, topic: str, key: bytes | None, value: bytes, on_ack: OnAck, on_place: OnPlace | None = None
    ) -> None:
        error = self.errors.pop(0) if self.errors else None
        if error is None and topic == TOPIC:
            account: Any = schemaless_reader(BytesIO(value), avro_schema(TOPIC), None)
            self.told.append(account)
        elif error is None and on_place:
            on_place(0, self._next[topic])
            self._next[topic] += 1
        on_ack(error)

    def poll(self, timeout_s: float) -> int:
        return 0

    def flush(self, timeout_s: float) -> int:
        return 0

    def has_room(self) -> bool:
        return True

    def pending(self) -> int:
        return 0

    def failure(self) -> str | None:
        return None


class Gateway:
    """An intake with its account, a log and a clock that stands still."""

    def __init__(self) -> None:
        self.log, self.clock = PlacingLog(), Clock()
        self.account = Account(self.log, "http-0", self.clock)
        self.intake = Intake(self.log, GatewayMetrics("http"), self.clock, self.account)

    def take(self, *payloads: bytes) -> None:
        for payload in payloads:
            now_ms = self.clock.now_ms
            envelope = Envelope(source="http", address="/v1/telemetry", tenant="demo", received_at=now_ms)
            self.intake.take(payload, envelope, lambda _delivery: None)


PLACES = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 2), st.integers(0, 1), st.integers(0, 1)))


@given(PLACES)
def test_runs_hold_every_place_once_and_never_mix(steps: list[tuple[int, int, int, int]]) -> None:
    runs, offset, given_places = Runs(), [0, 0], set()
    for partition, skip, minute, reason in steps:
        offset[partition] += skip
        runs.add(partition, offset[partition], minute, str(reason))
        given_places.add((partition, offset[partition], minute, str(reason)))
        offset[partition] += 1
    taken = runs.take()
    held = [(r.partition, n, r.minute, r.reason) for r in taken for n in range(r.first, r.last + 1)]
    assert len(held) == len(set(held))
    assert set(held) == given_places
    assert runs.take() == []


def test_a_gateway_alone_tells_one_range_a_partition_and_minute() -> None:
    runs = Runs()
    for offset in range(1_000):
        runs.add(3, offset, MINUTE + offset // 600, "")
    assert runs.take() == [Run(3, MINUTE, 0, 599), Run(3, MINUTE + 1, 600, 999)]


def test_a_place_kafka_does_not_know_is_left_out() -> None:
    runs = Runs()
    runs.add(0, -1, MINUTE, "")
    runs.add(0, 5, MINUTE, "")
    runs.add(0, -1, MINUTE, "")
    assert runs.take() == [Run(0, MINUTE, 5, 5)]


def test_an_account_is_told_once_a_second_with_readings_and_reasons() -> None:
    gateway = Gateway()
    gateway.take(GOOD, b"[" + GOOD + b"," + BAD + b"]", b"{")
    gateway.account.tell()
    assert gateway.log.told == []
    gateway.clock.now_ms += 1_000
    gateway.account.tell()
    gateway.account.tell()
    (told,) = gateway.log.told
    assert (told["gateway"], told["sequence"]) == ("http-0", 0)
    assert told["readings"] == [{"partition": 0, "minute": MINUTE, "first": 0, "last": 1}]
    assert [(run["first"], run["last"], run["reason"]) for run in told["dead_letters"]] == [
        (0, 0, "unknown_metric_type"),
        (1, 1, "malformed_json"),
    ]


def test_nothing_new_is_not_told_and_the_last_second_is_told_on_leaving() -> None:
    gateway = Gateway()
    gateway.clock.now_ms += 5_000
    gateway.account.tell()
    assert gateway.log.told == []
    gateway.take(GOOD)
    gateway.account.tell(now=True)
    assert [run["first"] for told in gateway.log.told for run in told["readings"]] == [0]


def test_what_kafka_refused_is_in_no_account_and_a_refused_account_is_told_again() -> None:
    gateway = Gateway()
    gateway.log.errors = ["gone"]
    gateway.take(GOOD, GOOD)
    gateway.log.errors = ["gone", "still gone"]
    gateway.account.tell(now=True)
    assert [told["readings"][0]["last"] for told in gateway.log.told] == [0]
    assert [told["sequence"] for told in gateway.log.told] == [0]
