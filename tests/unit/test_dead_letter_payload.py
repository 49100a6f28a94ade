"""What a replay sends, held against what the gateway takes: every reason can be mended as its advice says."""

import json
from hashlib import blake2b
from typing import Any

import pytest
from pydantic import TypeAdapter

from api.queries.dead_letter_reasons import advise, explained
from ingest.gateway.edge import MAX_PAYLOAD_BYTES
from ingest.gateway.normalise import Envelope, Rejection, normalise
from ingest.gateway.reasons import Reason
from millrace.reading import Reading
from udfs.dead_letter_fixes import Fix, FixError
from udfs.dead_letter_replay import Prepared, Refused, prepare, without

pytestmark = pytest.mark.sessions

NOW_MS = 1_767_225_900_000
THEN_MS = NOW_MS - 3_600_000
FIXES: TypeAdapter[list[Fix]] = TypeAdapter(list[Fix])
BODY = {"metrics": {"a": 1.0}}
# The original, the device its address named, and the fixes or the body that mend it.
MENDED: dict[Reason, tuple[bytes, str | None, Any]] = {
    Reason.MALFORMED_JSON: (b'{"metrics": {"a": 1}', "d1", BODY),
    Reason.NOT_UTF8: (b'{"metrics": {"\xb0": 1}}', "d1", BODY),
    Reason.NOT_A_READING: (b"17", "d1", BODY),
    Reason.EMPTY_BATCH: (b"[]", "d1", [BODY, BODY]),
    Reason.UNKNOWN_FIELD: (
        b'{"temp": 1, "metrics": {"a": 1}}',
        "d1",
        [{"fix": "rename", "from": "temp", "to": "metrics.temp"}],
    ),
    Reason.MISSING_METRICS: (
        b'{"metrics": [1]}',
        "d1",
        [{"fix": "set", "field": "metrics", "value": {"a": 1}}],
    ),
    Reason.EMPTY_METRICS: (b'{"metrics": {}}', "d1", [{"fix": "set", "field": "metrics.a", "value": 1}]),
    Reason.TOO_MANY_METRICS: (
        json.dumps({"metrics": {f"m{n}": n for n in range(300)}}).encode(),
        "d1",
        [BODY, BODY],
    ),
    Reason.BAD_METRIC_NAME: (
        b'{"metrics": {"a b": 1}}',
        "d1",
        [{"fix": "rename", "from": "metrics.a b", "to": "metrics.a_b"}],
    ),
    Reason.UNKNOWN_METRIC_TYPE: (
        b'{"metrics": {"a": "1.5"}}',
        "d1",
        [{"fix": "to_number", "field": "metrics.a"}],
    ),
    Reason.NOT_FINITE: (
        b'{"metrics": {"a": NaN, "b": 1}}',
        "d1",
        [{"fix": "remove", "field": "metrics.a"}],
    ),
    Reason.BAD_EVENT_TIME: (
        b'{"event_time": "1767225600", "metrics": {"a": 1}}',
        "d1",
        [
            {"fix": "to_number", "field": "event_time"},
            {"fix": "scale", "field": "event_time", "factor": 1000},
        ],
    ),
    Reason.EVENT_TIME_IN_SECONDS: (
        b'{"event_time": 1767225600.25, "metrics": {"a": 1}}',
        "d1",
        [{"fix": "scale", "field": "event_time", "factor": 1000}],
    ),
    Reason.EVENT_TIME_IN_MICROSECONDS: (
        b'{"event_time": 1767225600250000, "metrics": {"a": 1}}',
        "d1",
        [{"fix": "scale", "field": "event_time", "factor": 0.001}],
    ),
    Reason.EVENT_TIME_IN_NANOSECONDS: (
        b'{"event_time": 1767225600250000000, "metrics": {"a": 1}}',
        "d1",
        [{"fix": "scale", "field": "event_time", "factor": 0.000001}],
    ),
    Reason.LOCAL_EVENT_TIME: (
        b'{"event_time": "2026-01-01T00:00:00", "metrics": {"a": 1}}',
        "d1",
        [{"fix": "assume_zone", "zone": "Europe/Berlin"}],
    ),
    Reason.AMBIGUOUS_EVENT_TIME: (
        b'{"event_time": "2025-10-26T02:30:00[Europe/Berlin]", "metrics": {"a": 1}}',
        "d1",
        [{"fix": "assume_zone", "zone": "Europe/Berlin", "which": "later"}],
    ),
    Reason.SKIPPED_EVENT_TIME: (
        b'{"event_time": "2025-03-30T02:30:00[Europe/Berlin]", "metrics": {"a": 1}}',
        "d1",
        [{"fix": "assume_zone", "zone": "Europe/Berlin", "which": "earlier"}],
    ),
    Reason.FUTURE_EVENT_TIME: (
        b'{"event_time": 1867225600000, "metrics": {"a": 1}}',
        "d1",
        [{"fix": "remove", "field": "event_time"}],
    ),
    Reason.BAD_EVENT_ID: (
        b'{"event_id": "", "metrics": {"a": 1}}',
        "d1",
        [{"fix": "remove", "field": "event_id"}],
    ),
    Reason.MISSING_DEVICE_ID: (
        b'{"metrics": {"a": 1}}',
        None,
        [{"fix": "set", "field": "device_id", "value": "d1"}],
    ),
    Reason.BAD_DEVICE_ID: (
        b'{"device_id": "a/b", "metrics": {"a": 1}}',
        None,
        [{"fix": "set", "field": "device_id", "value": "a-b"}],
    ),
    Reason.DEVICE_MISMATCH: (
        b'{"device_id": "d2", "metrics": {"a": 1}}',
        "d1",
        [{"fix": "remove", "field": "device_id"}],
    ),
    Reason.BAD_LOCATION: (
        b'{"location": {"lat": 95, "lon": 1}, "metrics": {"a": 1}}',
        "d1",
        [{"fix": "remove", "field": "location"}],
    ),
    Reason.BAD_ATTRIBUTES: (
        b'{"attributes": {"room": 4}, "metrics": {"a": 1}}',
        "d1",
        [{"fix": "remove", "field": "attributes.room"}],
    ),
    Reason.OVERSIZE: (b'{"metrics": {"a": 1}}'.ljust(MAX_PAYLOAD_BYTES + 1), "d1", BODY),
    Reason.BAD_GZIP: (b"\x1f\x8bno", "d1", BODY),
    Reason.BAD_ADDRESS: (
        b'{"metrics": {"a": 1}}',
        None,
        [{"fix": "set", "field": "device_id", "value": "d1"}],
    ),
    Reason.BAD_STATUS: (b"OK", "d1", BODY),
    Reason.BAD_ROW: (b"2026-01-01T00:00:00Z,warm", "d1", BODY),
}
# What these are of is not in the bytes: the topic, the header, the mapping of the file.
NOT_IN_THE_BYTES = {Reason.BAD_STATUS, Reason.BAD_ADDRESS, Reason.BAD_GZIP, Reason.BAD_ROW}


def letter(original: bytes, device_id: str | None = "d1", reason: str = "unknown_field") -> Refused:
    return Refused("0-17", reason, "demo", device_id, THEN_MS, original)


def mended(given: Refused, how: Any) -> Prepared:
    if isinstance(how, list) and how and "fix" in how[0]:
        return prepare(given, FIXES.validate_python(how))
    return prepare(given, [], how)


def gateway(payload: bytes, device_id: str | None = None) -> list[Reading | Rejection]:
    envelope = Envelope(source="http", address="", tenant="demo", device_id=device_id, received_at=NOW_MS)
    return normalise(payload, envelope, NOW_MS)


def test_every_reason_of_the_gateway_is_explained_and_shown_mended_here() -> None:
    assert explained() == {reason.value for reason in Reason} == {reason.value for reason in MENDED}
    assert "does not know" in advise("a reason of tomorrow").meaning


@pytest.mark.parametrize("reason", MENDED, ids=str)
def test_what_was_refused_for_a_reason_is_taken_once_mended(reason: Reason) -> None:
    original, device_id, how = MENDED[reason]
    if reason not in NOT_IN_THE_BYTES:
        assert [r.reason for r in gateway(original, device_id) if isinstance(r, Rejection)] == [reason]
    prepared = mended(letter(original, device_id, reason.value), how)
    taken = gateway(prepared.payload)
    readings = [one for one in taken if isinstance(one, Reading)]
    assert readings
    assert readings == taken
    identities = [f"{one.tenant}/{one.device_id}/{one.event_id}" for one in readings]
    assert list(prepared.readings) == identities
    assert len(set(identities)) == len(identities)
    assert mended(letter(original, device_id, reason.value), how) == prepared


def test_device_and_time_of_arrival_are_written_into_the_message() -> None:
    sent = json.loads(prepare(letter(b'{"metrics": {"a": 1}}'), []).payload)
    assert (sent["device_id"], sent["event_time"], sent["event_id"]) == ("d1", THEN_MS, "dead-letter-0-17")


def test_what_the_message_says_itself_stays() -> None:
    original = b'{"device_id":"d1","event_id":"e1","event_time":1767225600001,"metrics":{"a":0.1}}'
    prepared = prepare(letter(original), [])
    assert prepared.payload == original
    assert prepared.readings == ("demo/d1/e1",)


def test_the_same_bytes_with_a_time_are_the_same_event_as_they_are_to_the_gateway() -> None:
    original = b' {"event_time": 1767225600000, "temp": 1}\n'
    rename = FIXES.validate_python([{"fix": "rename", "from": "temp", "to": "metrics.temp"}])
    named = blake2b(original.strip(), digest_size=16).hexdigest()
    first, second = (prepare(letter(original)._replace(dead_letter_id=i), rename) for i in ("0-1", "1-9"))
    assert first.readings == second.readings == (f"demo/d1/{named}",)


def test_readings_without_a_time_are_told_apart_by_their_letters() -> None:
    first, second = (
        prepare(letter(b'{"metrics":{"a":1}}')._replace(dead_letter_id=i), []) for i in ("0-1", "0-2")
    )
    assert first.readings != second.readings


@pytest.mark.parametrize(
    ("original", "reason", "why"),
    [
        (b"{", "malformed_json", "no JSON document"),
        (b"\xff", "not_utf8", "no JSON document"),
        (b"[" * 100_000, "malformed_json", "no JSON document"),
        (b"17", "not_a_reading", "no object"),
        (b'{"metrics": {"a": 1}}', "oversize", "only the first part"),
        (b'{"device_id": "d2", "metrics": {"a": 1}}', "device_mismatch", "set or remove device_id"),
        (b'{"device_id": "d2", "metrics": {"a": "x"}}', "unknown_metric_type", "set or remove device_id"),
    ],
)
def test_what_needs_a_person_is_not_guessed(original: bytes, reason: str, why: str) -> None:
    with pytest.raises(FixError, match=why):
        prepare(letter(original, "d1", reason), [])


def test_nobody_speaks_for_a_message_without_a_device() -> None:
    with pytest.raises(FixError, match="which device"):
        prepare(letter(b'{"metrics": {"a": 1}}', None), [])


def test_only_what_is_not_stored_is_left_to_send() -> None:
    both = prepare(letter(b"[]"), [], [{"event_id": "e1"}, {"event_id": "e2"}])
    left = without(both, {"demo/d1/e1", "demo/d9/e2"})
    assert left.readings == ("demo/d1/e2",)
    assert [element["event_id"] for element in json.loads(left.payload)] == ["e2"]
    assert without(both, set()).readings == both.readings
