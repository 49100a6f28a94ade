"""The hand-written Avro form of a reading is fastavro's under the schema; dead letters keep every byte."""

from io import BytesIO
from typing import Any

import msgspec
import pytest
from fastavro import schemaless_reader, schemaless_writer
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.gateway.dead_letter import dead_letter_key, encode_dead_letter
from ingest.gateway.normalise import Envelope, Rejection
from ingest.gateway.reasons import Reason
from millrace.contracts import avro_schema
from millrace.reading import Location, Reading, decode, encode

pytestmark = pytest.mark.gateway

TEXT = st.text(st.characters(codec="utf-8"), max_size=30)
DOUBLE = st.floats(allow_nan=False)
TIME_MS = st.integers(0, 4_102_444_800_000)
READINGS = st.builds(
    Reading,
    tenant=TEXT,
    device_id=TEXT,
    event_id=TEXT,
    event_time=TIME_MS,
    metrics=st.dictionaries(TEXT, DOUBLE, max_size=70),
    location=st.none() | st.builds(Location, lat=DOUBLE, lon=DOUBLE, alt_m=st.none() | DOUBLE),
    attributes=st.none() | st.dictionaries(TEXT, TEXT, max_size=4),
    received_at=TIME_MS,
    source=TEXT,
)


def by_fastavro(reading: Reading) -> bytes:
    buffer = BytesIO()
    schemaless_writer(buffer, avro_schema("telemetry"), msgspec.to_builtins(reading))
    return buffer.getvalue()


@given(READINGS)
@settings(max_examples=60, deadline=None)
def test_encoding_by_hand_equals_fastavro_and_reads_back(reading: Reading) -> None:
    assert encode(reading) == by_fastavro(reading)
    assert decode(encode(reading)) == reading


def test_a_text_longer_than_the_table_of_lengths_reads_back() -> None:
    reading = Reading(
        tenant="t",
        device_id="d",
        event_id="e" * 5000,
        event_time=1,
        metrics={f"m{i}": float(i) for i in range(256)},
        received_at=2,
        source="http",
    )
    assert decode(encode(reading)) == reading


ENVELOPE = Envelope(
    source="mqtt", address="t/demo/d1/telemetry", tenant="demo", device_id="d1", received_at=1_767_225_600_123
)


def read_back(payload: bytes) -> dict[str, Any]:
    fields: Any = schemaless_reader(BytesIO(payload), avro_schema("telemetry.dead-letter"), None)
    return dict(fields)


def test_a_dead_letter_holds_the_reason_the_sender_and_every_byte() -> None:
    original = bytes(range(256))
    letter = read_back(
        encode_dead_letter(Rejection(reason=Reason.NOT_UTF8, detail="byte 128", original=original), ENVELOPE)
    )
    assert letter.pop("received_at").timestamp() == 1_767_225_600.123
    assert letter == {
        "reason": "not_utf8",
        "detail": "byte 128",
        "original": original,
        "tenant": "demo",
        "device_id": "d1",
        "address": "t/demo/d1/telemetry",
        "source": "mqtt",
    }


def test_a_dead_letter_without_a_known_device_has_no_key() -> None:
    rejection = Rejection(reason=Reason.MISSING_DEVICE_ID, detail="", original=b"")
    nobody = Envelope(source="http", address="/v1/telemetry", tenant="demo", received_at=0)
    assert dead_letter_key(rejection, ENVELOPE) == b"demo/d1"
    assert dead_letter_key(rejection, nobody) is None
    assert read_back(encode_dead_letter(rejection, nobody))["device_id"] is None
