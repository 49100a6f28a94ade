"""What becomes a reading, what is refused, and with which bytes."""

import json
import re
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.gateway.edge import MAX_PAYLOAD_BYTES
from ingest.gateway.event_time import ZonesUnknownError
from ingest.gateway.normalise import Envelope, Rejection, normalise
from ingest.gateway.reasons import Reason
from millrace.clock import from_iso, to_iso
from millrace.event_times import MAX_AHEAD_MS
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


@pytest.mark.parametrize(
    ("event_time", "reason", "said"),
    [
        (NOW_MS // 1000, Reason.EVENT_TIME_IN_SECONDS, "looks like seconds"),
        (NOW_MS / 1000 + 0.5, Reason.EVENT_TIME_IN_SECONDS, "multiply by 1000"),
        (NOW_MS * 1000 + 1, Reason.EVENT_TIME_IN_MICROSECONDS, "looks like microseconds"),
        (NOW_MS * 1_000_000 + 1, Reason.EVENT_TIME_IN_NANOSECONDS, "looks like nanoseconds"),
        (str(NOW_MS // 1000), Reason.BAD_EVENT_TIME, "looks like seconds.*to_number"),
        (NOW_MS + 0.5, Reason.BAD_EVENT_TIME, "no whole number"),
        (-NOW_MS, Reason.BAD_EVENT_TIME, "before the year 2000"),
        (10**18 + 10**300, Reason.FUTURE_EVENT_TIME, "ahead of"),
        (2**63, Reason.FUTURE_EVENT_TIME, "ahead of"),
        (-(2**70), Reason.BAD_EVENT_TIME, "before the year 2000"),
        (1e300, Reason.FUTURE_EVENT_TIME, "ahead of"),
        ("9" * 29, Reason.FUTURE_EVENT_TIME, "ahead of"),
        ("2026-01-01T00:00:00", Reason.LOCAL_EVENT_TIME, "no zone is set"),
        ("\u0000", Reason.BAD_EVENT_TIME, "."),
    ],
)
def test_a_time_that_is_none_is_refused_and_its_unit_is_named(
    event_time: Any, reason: Reason, said: str
) -> None:
    rejection = refused(payload(event_time=event_time))
    assert rejection.reason is reason, rejection
    assert re.search(said, rejection.detail)


def test_a_field_that_says_seconds_takes_them_with_a_fraction() -> None:
    assert one(payload(event_time_s=NOW_MS // 1000 - 1)).event_time == NOW_MS - 1000
    assert one(payload(event_time_s=NOW_MS / 1000 - 0.75)).event_time == NOW_MS - 750
    assert one(payload(event_time=float(NOW_MS))).event_time == NOW_MS
    assert one(payload(event_time=str(NOW_MS))).event_time == NOW_MS
    assert refused(payload(event_time_s=NOW_MS)).reason is Reason.BAD_EVENT_TIME
    raw = payload(event_time_s=NOW_MS // 1000)
    assert one(raw).event_id == one(raw).event_id


BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("text", "arrived", "expected"),
    [
        ("2026-07-01T12:00:00", "2026-07-01T10:00:01Z", "2026-07-01T10:00:00.000Z"),
        ("2026-10-25T02:30:00", "2026-10-25T00:30:05Z", "2026-10-25T00:30:00.000Z"),
        ("2026-10-25T02:30:00", "2026-10-25T01:30:05Z", "2026-10-25T01:30:00.000Z"),
        ("2026-10-25T02:59:59", "2026-10-25T01:29:59Z", "2026-10-25T00:59:59.000Z"),
        ("2026-10-25T02:30:00", "2026-10-25T09:00:00Z", Reason.AMBIGUOUS_EVENT_TIME),
        ("2026-03-29T02:30:00", "2026-03-29T01:30:00Z", Reason.SKIPPED_EVENT_TIME),
    ],
)
def test_a_local_time_is_read_by_the_zone_of_its_device_and_its_arrival(
    text: str, arrived: str, expected: Any
) -> None:
    arrived_ms = from_iso(arrived)
    envelope = msgspec.structs.replace(MQTT, received_at=arrived_ms)
    asked: list[tuple[str, str]] = []

    def zone_of(tenant: str, device_id: str) -> ZoneInfo:
        asked.append((tenant, device_id))
        return BERLIN

    (found,) = normalise(payload(event_time=text), envelope, arrived_ms, zone_of)
    assert (to_iso(found.event_time) if isinstance(found, Reading) else found.reason) == expected
    assert set(asked) == {("demo", "d1")}


def test_an_hour_that_was_twice_names_both_moments() -> None:
    late_ms = from_iso("2026-10-25T09:00:00Z")
    raw = payload(event_time="2026-10-25T02:30:00")
    (found,) = normalise(raw, msgspec.structs.replace(HTTP, received_at=late_ms), late_ms, lambda *_: BERLIN)
    assert isinstance(found, Rejection)
    assert "2026-10-25T00:30:00.000Z or 2026-10-25T01:30:00.000Z" in found.detail


def test_while_nobody_knows_the_zones_a_local_time_waits_as_a_dead_letter() -> None:
    def unknown(_tenant: str, _device_id: str) -> ZoneInfo:
        raise ZonesUnknownError("the registry was not read yet")

    (found,) = normalise(payload(event_time="2026-01-01T00:00:00"), HTTP, NOW_MS, unknown)
    assert isinstance(found, Rejection)
    assert (found.reason, "not read yet" in found.detail) == (Reason.LOCAL_EVENT_TIME, True)


@pytest.mark.parametrize(
    "bad",
    [
        b'{"device_id":"d9","metrics":{"a":"hot"}}',
        b'{"device_id":"d9","metrics":{"a b":1}}',
        b'{"device_id":"d9","metrics":{"a":1},"colour":1}',
        b'{"device_id":"d9","metrics":{"a":1},"location":{"lat":99,"lon":1}}',
        b'{"device_id":"d9","metrics":{"a":NaN}}',
        b'{"device_id":"d9","metrics":{"a":1},"attributes":{"x":"\xff"}}',
        b'{"device_id":"d9","metrics":{"a":1},"event_time":"yesterday"}',
        b'{"device_id":"d9","metrics":{},"event_id":7}',
    ],
)
def test_a_refused_reading_knows_its_device_alone_and_in_a_batch(bad: bytes) -> None:
    assert refused(bad).device_id == "d9"
    _, rejection = normalise(b"[" + payload() + b"," + bad + b"]", HTTP, NOW_MS)
    assert isinstance(rejection, Rejection)
    assert (rejection.device_id, rejection.original) == ("d9", bad)


@pytest.mark.parametrize("name", ["7", "null", '"a/b"', '""', '["d9"]'])
def test_a_device_that_is_no_name_is_nobody(name: str) -> None:
    assert refused(b'{"device_id":%s,"metrics":{"a":"hot"}}' % name.encode()).device_id is None


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
