"""What the state trial sends: seeded shares, bounded disorder, lateness that the watermark can prove."""

from collections import Counter

import pytest

from bench.broken_messages import KINDS
from bench.disorder import Chunk, Disorder, Faults, sentinels
from ingest.gateway.normalise import Envelope, Rejection, normalise
from ingest.gateway.reasons import Reason
from ingest.replay.rows import Record

pytestmark = pytest.mark.sessions

HOUR_MS = 3_600_000
START_MS = 400_000 * HOUR_MS
NOW_MS = START_MS + 100_000 * HOUR_MS
ROWS = 1_500
DEVICES = ("A", "B")
FAULTS = Faults()
# What MQTT cannot bring about: the address names the device, no gzip, access rules hold the topic.
NOT_BY_MQTT = {
    Reason.BAD_STATUS,
    Reason.MISSING_DEVICE_ID,
    Reason.BAD_GZIP,
    Reason.BAD_ADDRESS,
    Reason.BAD_ROW,
}


def recording(rows: int = ROWS) -> list[Record]:
    return [
        Record(device, row, START_MS + row * HOUR_MS, device, {"temperature_c": row / 10}, None, None)
        for row in range(rows)
        for device in DEVICES
    ]


def chunks(seed: int = 7, rows: int = ROWS) -> list[Chunk]:
    disorder = Disorder(FAULTS._replace(seed=seed), "p-", "", lambda recorded_ms: recorded_ms)
    return list(disorder.chunks(recording(rows), FAULTS.longest_chunk_ms))


@pytest.fixture(scope="module")
def found() -> list[Chunk]:
    return chunks()


def test_the_same_seed_sends_the_same_and_another_seed_does_not(found: list[Chunk]) -> None:
    assert chunks() == found
    assert chunks(seed=8) != found


def test_the_shares_are_those_asked_for(found: list[Chunk]) -> None:
    sent = [message for chunk in found for message in [*chunk.flowing, *chunk.late]]
    kinds = Counter("duplicate" if message.copy else message.kind for message in sent)
    rows = ROWS * len(DEVICES)
    assert kinds["duplicate"] / rows == pytest.approx(FAULTS.duplicated, abs=0.02)
    assert kinds["out_of_order"] / rows == pytest.approx(FAULTS.out_of_order, abs=0.02)
    assert kinds["late"] / rows == pytest.approx(FAULTS.late, abs=0.01)
    assert kinds["malformed"] / rows == pytest.approx(FAULTS.malformed, abs=0.005)
    assert sum(kinds.values()) - kinds["duplicate"] == rows


def test_a_duplicate_follows_its_original_with_the_same_bytes(found: list[Chunk]) -> None:
    for chunk in found:
        sent = [*chunk.flowing, *chunk.late]
        first = {message.event_id: place for place, message in enumerate(sent) if not message.copy}
        for place, message in enumerate(sent):
            if message.copy:
                original = sent[first[message.event_id]]
                assert first[message.event_id] < place
                assert original._replace(copy=1) == message


def test_out_of_order_readings_are_at_most_30_s_behind_their_place(found: list[Chunk]) -> None:
    behind = [
        -message.event_time_ms % HOUR_MS
        for chunk in found
        for message in chunk.flowing
        if message.kind == "out_of_order"
    ]
    assert min(behind) > 0
    assert 25_000 < max(behind) <= FAULTS.out_of_order_ms


def test_late_readings_wait_for_a_watermark_that_the_rest_of_the_chunk_brings(found: list[Chunk]) -> None:
    late = 0
    for chunk in found:
        newest = {
            device: max(m.event_time_ms for m in chunk.flowing if m.device_id == f"p-{device}")
            for device in DEVICES
        }
        for message in (message for message in chunk.late if message.kind == "late"):
            late += 1
            # Behind the watermark of the slowest device, and by no more than six hours.
            assert message.event_time_ms <= chunk.late_until_ms < min(newest.values()) - 10_000
            assert max(newest.values()) - message.event_time_ms <= FAULTS.late_ms
        assert all(message.kind != "late" for message in chunk.flowing)
    assert late > 100


def test_a_row_without_any_metric_is_not_sent() -> None:
    empty = Record("A", 9, START_MS + 9 * HOUR_MS, "A", {}, None, None)
    disorder = Disorder(FAULTS, "p-", "", lambda recorded_ms: recorded_ms)
    sent = [m for chunk in disorder.chunks([*recording(2), empty], HOUR_MS * 1000) for m in chunk.flowing]
    assert "A:9" not in {message.event_id for message in sent}


def test_every_kind_comes_and_the_gateway_refuses_it_for_its_reason(found: list[Chunk]) -> None:
    broken = [m for chunk in found for m in chunk.flowing if m.kind == "malformed"]
    assert {message.broken for message in broken} == {kind.name for kind in KINDS}
    for message in broken:
        envelope = Envelope(
            source="mqtt", address="t", tenant="demo", device_id=message.device_id, received_at=NOW_MS
        )
        [refused] = normalise(message.payload, envelope, NOW_MS)
        assert isinstance(refused, Rejection), message
        assert refused.reason == message.reason
        assert refused.original == message.payload[: 256 * 1024]


def test_there_are_kinds_of_every_reason_telemetry_over_mqtt_can_bring_about() -> None:
    assert len({kind.name for kind in KINDS}) == 26
    assert {kind.reason for kind in KINDS} == {reason.value for reason in set(Reason) - NOT_BY_MQTT}


def test_sentinels_are_no_devices_of_the_trial() -> None:
    sent = sentinels("p-", NOW_MS)
    assert len({message.device_id for message in sent}) == 16
    assert not any(message.device_id.startswith("p-") for message in sent)
