"""Every subtask gets the clock: its topic has a partition for each, and every mark lies on all of them."""

from collections.abc import Iterator

import pytest
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from kafka import KafkaAdminClient

from jobs.publishing.compacted_log import CompactedLog
from jobs.runtime.clock_marks import TelemetryEdge
from jobs.runtime.event_clock import Mark, ends_of
from jobs.runtime.topics import create_topics
from millrace.contracts import topics
from millrace.reading import MARK_KEY, Reading, decode, encode
from tests.integration.own_services import own_services, until

pytestmark = [pytest.mark.integration, pytest.mark.stream]

CLOCK = "telemetry.clock"
EARLIER = Mark(1_800_000_000_000, 1_800_000_000_500, 7_000)
LATER_RECORD = Reading(
    tenant="demo", device_id="a", event_id="1", event_time=1, metrics={}, received_at=1, source="test"
)
LATER = Mark(1_800_000_001_000, 1_800_000_001_500, 9_000)


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with own_services(tmp_path_factory.mktemp("clock"), "clock", "kafka") as config:
        yield config.address("kafka")


@pytest.fixture
def edge(kafka: str) -> Iterator[TelemetryEdge]:
    """The edge of a topic nobody has marked; it does not exist yet."""
    admin = KafkaAdminClient(bootstrap_servers=kafka)
    admin.delete_topics([CLOCK])
    until(lambda: CLOCK not in admin.list_topics())
    yield TelemetryEdge(kafka)
    admin.close()


def made_for(kafka: str, subtasks: int, partitions: int | None = None) -> list[str]:
    """Create or extend the topics and wait until the clock has so many partitions, and can be used."""
    created = create_topics(kafka, subtasks)
    edge = TelemetryEdge(kafka)
    until(lambda: _usable(kafka, edge) == list(range(partitions or subtasks)))
    return created


def _usable(kafka: str, edge: TelemetryEdge) -> list[int]:
    try:
        return [clock for clock in edge.clocks() if marks_on(kafka, clock) is not None]
    except KafkaException:
        return []


def marks_on(kafka: str, clock: int, topic: str = CLOCK) -> list[Reading]:
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": "look"})
    try:
        low, high = consumer.get_watermark_offsets(TopicPartition(topic, clock), timeout=10)
        consumer.assign([TopicPartition(topic, clock, low)])
        found = consumer.consume(high - low, timeout=10) if high > low else []
    finally:
        consumer.close()
    return [decode(message.value() or b"") for message in found]


@pytest.mark.parametrize("subtasks", [1, 2, 4])
def test_the_clock_has_a_partition_for_each_subtask(kafka: str, edge: TelemetryEdge, subtasks: int) -> None:
    assert made_for(kafka, subtasks) == [CLOCK]
    assert edge.clocks() == list(range(subtasks))


@pytest.mark.parametrize(
    ("before", "now", "partitions"),
    [
        pytest.param(1, 2, 3, id="a stack from when one partition was all"),
        pytest.param(2, 4, 6, id="more subtasks than before: each gets a new one"),
        pytest.param(4, 2, 4, id="fewer subtasks than before"),
        pytest.param(2, 2, 2, id="nothing changed"),
    ],
)
def test_a_topic_made_for_other_subtasks_is_extended(
    kafka: str, edge: TelemetryEdge, before: int, now: int, partitions: int
) -> None:
    made_for(kafka, before)
    assert made_for(kafka, now, partitions) == []
    assert made_for(kafka, now, partitions) == []
    assert edge.clocks() == list(range(partitions))


def test_no_other_topic_is_extended(kafka: str, edge: TelemetryEdge) -> None:
    admin = KafkaAdminClient(bootstrap_servers=kafka)
    before = {one["name"]: len(one["partitions"]) for one in admin.describe_topics() if one["name"] != CLOCK}
    made_for(kafka, 1)
    made_for(kafka, 16, 17)
    after = {one["name"]: len(one["partitions"]) for one in admin.describe_topics() if one["name"] != CLOCK}
    admin.close()
    assert after == before


def test_a_mark_lies_on_every_partition(kafka: str, edge: TelemetryEdge) -> None:
    made_for(kafka, 3)
    edge.mark(EARLIER, edge.clocks())
    edge.mark(LATER, edge.clocks())
    for clock in range(3):
        found = marks_on(kafka, clock)
        assert [one.event_time for one in found] == [EARLIER.event_time_ms, LATER.event_time_ms]
        assert [(one.attributes or {})["paused_ms"] for one in found] == ["7000", "9000"]
    assert edge.last_mark() == LATER


def test_time_goes_on_from_a_mark_that_reached_one_partition_only(kafka: str, edge: TelemetryEdge) -> None:
    made_for(kafka, 2)
    edge.mark(EARLIER, [0, 1])
    edge.mark(LATER, [1])
    assert edge.last_mark() == LATER


def test_new_partitions_have_no_mark_and_take_none_away(kafka: str, edge: TelemetryEdge) -> None:
    made_for(kafka, 1)
    assert edge.last_mark() is None
    edge.mark(EARLIER, edge.clocks())
    # While the keeper runs.
    made_for(kafka, 2, 3)
    assert edge.last_mark() == EARLIER
    edge.mark(LATER, edge.clocks())
    assert [len(marks_on(kafka, clock)) for clock in edge.clocks()] == [2, 1, 1]


@pytest.mark.parametrize("topic", ["rules", "device-context"])
def test_what_is_marked_too_gets_every_mark_and_is_still_empty(
    kafka: str, edge: TelemetryEdge, topic: str
) -> None:
    made_for(kafka, 1)
    log = CompactedLog(kafka, topic)
    places = range(topics()[topic].partitions)
    before = [len(marks_on(kafka, place, topic)) for place in places]
    edge.mark(EARLIER, edge.clocks())
    edge.mark(LATER, edge.clocks())
    for place, count in zip(places, before, strict=True):
        found = marks_on(kafka, place, topic)[count:]
        assert [one.event_time for one in found] == [EARLIER.event_time_ms, LATER.event_time_ms]
        assert {one.key for one in found} == {MARK_KEY}
    # A publisher must begin at the beginning where there are marks only.
    assert log.is_empty()
    log.publish([LATER_RECORD])
    assert not log.is_empty()


def write(kafka: str, *partitions: int) -> None:
    producer = Producer({"bootstrap.servers": kafka, "acks": "all"})
    for partition in partitions:
        producer.produce("telemetry", encode(LATER_RECORD), partition=partition)
    assert producer.flush(20) == 0


def test_a_mark_says_where_partitions_end_that_hold_something(kafka: str, edge: TelemetryEdge) -> None:
    made_for(kafka, 1)
    assert edge.position().held_ends == ()
    write(kafka, 0, 2, 2, 3)
    position = edge.position()
    assert position.held_ends == ((0, 1), (2, 2), (3, 1))
    # Of what retention took nobody will read anything.
    admin, gone = AdminClient({"bootstrap.servers": kafka}), {2: 2, 3: 1}
    for answer in admin.delete_records([TopicPartition("telemetry", *one) for one in gone.items()]).values():
        answer.result(20)
    assert edge.position().held_ends == ((0, 1),)
    write(kafka, 3)
    held = edge.position().held_ends
    assert held == ((0, 1), (3, 2))
    edge.mark(LATER._replace(ends=held), edge.clocks())
    (found,) = marks_on(kafka, 0)
    assert ends_of((found.attributes or {})["ends"]) == held
    assert edge.last_mark() == LATER
