"""What becomes a reading, what is refused, and with which bytes."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.gateway.edge import MAX_AHEAD_MS, MAX_PAYLOAD_BYTES
from ingest.gateway.normalise import Envelope, Rejection, normalise
from ingest.gateway.reasons import Reason
from millrace.reading import Location, Reading

pytestmark = pytest.mark.gateway

NOW_MS = 1_767_225_600_000
HTTP = Envelope(source="http", address="/v1/telemetry", tenant="demo", received_at=NOW_MS)
MQTT = Envelope(
    source="mqtt", address="t/demo/d1/telemetry", tenant="demo", device_id="d1", received_at=NOW_MS
)


def payload(**fields: Any) -> bytes:
    return json.dumps({"device_id": "d1", "metrics": {"temperature_c": 21.5}} | fields).encode()


def one(raw: bytes, envelope: Envelope = HTTP) -> Reading:
    (result,) = normalise(raw, envelope, NOW_MS)
    assert isinstance(result, Reading), result
    return result


def refused(raw: bytes, envelope: Envelope = HTTP) -> Rejection:
    (result,) = normalise(raw, envelope, NOW_MS)
    assert isinstance(result, Rejection), result
    return result


def test_every_field_arrives_in_the_reading() -> None:
    reading = one(
        payload(
            event_id="e1",
            event_time=NOW_MS - 5,
            metrics={"a": 1, "b": 2.5},
            location={"lat": 48.1, "lon": 11.5, "alt_m": 500},
            attributes={"site": "München"},
        )
    )
    assert reading == Reading(
        tenant="demo",
        device_id="d1",
        event_id="e1",
        event_time=NOW_MS - 5,
        metrics={"a": 1.0, "b": 2.5},
        location=Location(lat=48.1, lon=11.5, alt_m=500.0),
        attributes={"site": "München"},
        received_at=NOW_MS,
        source="http",
    )
    assert type(reading.metrics["a"]) is float


def test_without_event_time_the_moment_of_receiving_stands() -> None:
    assert one(payload()).event_time == NOW_MS


@pytest.mark.parametrize(
    ("text", "time_ms"),
    [
        ("2026-01-01T00:00:00Z", NOW_MS),
        ("2026-01-01t00:00:00.250z", NOW_MS + 250),
        ("2026-01-01T01:00:00+01:00", NOW_MS),
        ("2025-12-31T23:59:59.999999999Z", NOW_MS),
    ],
)
def test_a_time_as_text_is_read_with_its_offset(text: str, time_ms: int) -> None:
    assert one(payload(event_time=text)).event_time == time_ms


@pytest.mark.parametrize(("ahead_ms", "taken"), [(MAX_AHEAD_MS, True), (MAX_AHEAD_MS + 1, False)])
def test_the_future_ends_five_minutes_ahead(ahead_ms: int, taken: bool) -> None:
    (result,) = normalise(payload(event_time=NOW_MS + ahead_ms), HTTP, NOW_MS)
    assert isinstance(result, Reading) is taken


SAME_CONTENT = (
    b'{"device_id":"d1","event_time":1767225600000,"metrics":{"a":1,"b":-0.0},"attributes":{"x":"1","y":"2"}}',
    b' {"metrics":{"b":0.0,"a":1.0}, "event_time":"2026-01-01T01:00:00.000+01:00",'
    b'"attributes":{"y":"2","x":"1"},"device_id":"d1"}\n',
    b'[{"device_id":"d1","event_time":1767225600000,"metrics":{"a":10e-1,"b":0},"attributes":{"x":"1","y":"2"}}]',
)


@pytest.mark.parametrize("raw", SAME_CONTENT)
def test_the_same_content_gets_the_same_event_id_however_it_is_written(raw: bytes) -> None:
    assert one(raw).event_id == "content-a9e6244e018a7b7c2ab2d61602ea1b65"


@pytest.mark.parametrize(
    "other",
    [
        {"event_time": NOW_MS - 1},
        {"metrics": {"t": 1.0000000000000002}},
        {"metrics": {"u": 1.0}},
        {"metrics": {"t": 1.0, "u": 1.0}},
        {"attributes": {"a": "b"}},
        {"location": {"lat": 1.0, "lon": 2.0}},
        {"location": {"lat": 1.0, "lon": 2.0, "alt_m": 0.0}},
    ],
)
def test_other_content_gets_another_event_id(other: dict[str, Any]) -> None:
    plain = {"event_time": NOW_MS, "metrics": {"t": 1.0}}
    assert one(payload(**plain)).event_id != one(payload(**plain | other)).event_id


def test_a_reading_may_declare_what_becomes_of_another_value_for_its_time() -> None:
    sources = [one(payload(on_conflict=name)).source for name in ("keep", "replace", "both")]
    assert sources == ["keep:http", "replace:http", "http"]
    rejection = refused(payload(on_conflict="newest"))
    assert (rejection.reason, rejection.detail) == (
        Reason.UNKNOWN_FIELD,
        "on_conflict: 'newest' is none of keep, replace, both",
    )


def test_without_id_and_time_every_message_is_its_own_event() -> None:
    assert one(payload()).event_id != one(payload()).event_id


def test_an_mqtt_payload_need_not_name_its_device_but_must_not_name_another() -> None:
    assert one(b'{"metrics":{"a":1}}', MQTT).device_id == "d1"
    assert one(payload(), MQTT).device_id == "d1"
    assert refused(payload(device_id="d2"), MQTT).reason is Reason.DEVICE_MISMATCH


def test_good_readings_pass_beside_bad_ones_which_keep_their_bytes_and_place() -> None:
    bad = b'{ "metrics" : {"a": "hot"},  "device_id":"d2" }'
    results = normalise(b" [" + payload() + b",\n " + bad + b" , 7, " + payload() + b"] ", HTTP, NOW_MS)
    assert [type(result) for result in results] == [Reading, Rejection, Rejection, Reading]
    second, third = results[1], results[2]
    assert isinstance(second, Rejection)
    assert isinstance(third, Rejection)
    assert (second.index, second.reason, second.original) == (1, Reason.UNKNOWN_METRIC_TYPE, bad)
    assert (third.index, third.reason, third.original) == (2, Reason.NOT_A_READING, b"7")


@pytest.mark.parametrize("literal", [b"NaN", b"-Infinity", b"1e999", b"9" * 5000])
def test_a_number_no_double_holds_spoils_only_its_own_reading(literal: bytes) -> None:
    bad = b'{"device_id":"d1","metrics":{"a":' + literal + b"}}"
    good, rejection = normalise(b"[" + payload() + b"," + bad + b"]", HTTP, NOW_MS)
    assert isinstance(good, Reading)
    assert isinstance(rejection, Rejection)
    assert (rejection.reason, rejection.original) == (Reason.NOT_FINITE, bad)


def test_a_text_that_is_not_utf8_spoils_only_its_own_reading() -> None:
    bad = b'{"device_id":"d1","metrics":{"a":1},"attributes":{"x":"\xff"}}'
    good, rejection = normalise(b"[" + payload() + b"," + bad + b"]", HTTP, NOW_MS)
    assert isinstance(good, Reading)
    assert isinstance(rejection, Rejection)
    assert (rejection.reason, rejection.original) == (Reason.NOT_UTF8, bad)


def test_an_oversize_payload_keeps_its_first_bytes_and_says_so() -> None:
    rejection = refused(b"x" * (MAX_PAYLOAD_BYTES + 1))
    assert rejection.reason is Reason.OVERSIZE
    assert rejection.original == b"x" * MAX_PAYLOAD_BYTES
    assert str(MAX_PAYLOAD_BYTES) in rejection.detail


@pytest.mark.parametrize("raw", [b"[" * 100_000, b'{"a":' * 50_000, b'{"metrics":' + b"[" * 100_000])
def test_deep_nesting_is_refused_without_harm(raw: bytes) -> None:
    assert refused(raw).reason is Reason.MALFORMED_JSON


def test_a_bad_device_in_the_address_is_refused_whatever_the_payload() -> None:
    envelope = Envelope(
        source="mqtt", address="t/demo/d 1/telemetry", tenant="demo", device_id="d 1", received_at=0
    )
    assert refused(payload(), envelope).reason is Reason.BAD_DEVICE_ID


@given(st.binary(max_size=200))
@settings(max_examples=200, deadline=None)
def test_any_bytes_become_readings_or_rejections(raw: bytes) -> None:
    assert normalise(raw, MQTT, NOW_MS)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
FIELDS = st.sampled_from(["device_id", "event_id", "event_time", "metrics", "location", "attributes", "x"])


@given(st.dictionaries(FIELDS, VALUES, max_size=4))
@settings(max_examples=300, deadline=None)
def test_whatever_the_decoder_refuses_has_a_reason_of_its_own(fields: dict[str, Any]) -> None:
    """`malformed_json` for a well-formed document would mean decoder and diagnosis disagree."""
    for result in normalise(json.dumps(fields).encode(), MQTT, NOW_MS):
        if isinstance(result, Rejection) and "\\ud" not in json.dumps(fields):
            assert result.reason is not Reason.MALFORMED_JSON, (fields, result.detail)
