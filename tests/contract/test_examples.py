"""Every example is what its folder and its name say."""

import gzip
import json
from pathlib import Path
from typing import Any, Literal

import pytest

from ingest.backfill.elements import Source, elements
from ingest.gateway.body import inflate
from ingest.gateway.edge import MAX_PAYLOAD_BYTES
from ingest.gateway.normalise import Envelope, Rejection, normalise
from ingest.gateway.reasons import Reason
from ingest.gateway.signals import read_status
from ingest.protocols.mqtt import parse_topic
from ingest.replay.mapping import Mapping
from millrace.contracts import SCHEMAS, examples, topics
from millrace.reading import Reading, decode, encode

pytestmark = [pytest.mark.contract, pytest.mark.gateway]

NOW_MS = 1_767_225_900_000
# What no file can show, and the test below that shows it instead.
SHOWN_BY_TESTS = {
    Reason.OVERSIZE: "test_one_byte_over_the_limit_is_oversize",
    Reason.BAD_STATUS: "test_a_status_that_says_nothing_is_a_bad_status",
    Reason.BAD_ADDRESS: "test_another_topic_is_a_bad_address",
    Reason.BAD_ROW: "test_a_row_that_its_mapping_cannot_read_is_a_bad_row",
    Reason.DEVICE_MISMATCH: "test_a_payload_that_names_another_device_than_its_topic_is_a_mismatch",
}


def every(kind: Literal["valid", "invalid"], edge: bool) -> list[Any]:
    names = [name for name in topics() if (name == "telemetry") is edge]
    return [pytest.param(n, p, id=f"{n}/{p.stem}") for n in names for p in examples(n, kind)]


def results(payload: bytes, device_id: str | None = None) -> list[Reading | Rejection]:
    envelope = Envelope(
        source="http", address="/v1/telemetry", tenant="demo", device_id=device_id, received_at=NOW_MS
    )
    return normalise(payload, envelope, NOW_MS)


def reasons(payload: bytes, device_id: str | None = None) -> list[str]:
    return [r.reason for r in results(payload, device_id) if isinstance(r, Rejection)]


def reason_of(path: Path) -> str:
    return path.stem.partition("--")[0]


@pytest.mark.parametrize(("topic", "path"), every("valid", edge=True))
def test_a_valid_edge_payload_becomes_readings_that_survive_avro(topic: str, path: Path) -> None:
    readings = results(path.read_bytes())
    assert readings
    for reading in readings:
        assert isinstance(reading, Reading), reading
        assert decode(encode(reading)) == reading


@pytest.mark.parametrize(("topic", "path"), every("invalid", edge=True))
def test_an_invalid_edge_payload_fails_for_the_reason_it_is_named_after(topic: str, path: Path) -> None:
    payload = path.read_bytes()
    inflated = inflate(payload) if reason_of(path) == Reason.BAD_GZIP else payload
    if isinstance(inflated, Rejection):
        assert (inflated.reason, inflated.original) == (reason_of(path), payload)
    else:
        assert reasons(inflated) == [reason_of(path)]


def test_every_reason_has_an_example() -> None:
    shown = {reason_of(path) for path in examples("telemetry", "invalid")}
    assert shown | set(SHOWN_BY_TESTS) == {reason.value for reason in Reason}
    assert all(name in globals() for name in SHOWN_BY_TESTS.values())


def test_one_byte_over_the_limit_is_oversize() -> None:
    payload = b'{"device_id":"d1","metrics":{"a":1}}'.ljust(MAX_PAYLOAD_BYTES)
    assert reasons(payload) == []
    assert reasons(payload + b" ") == [Reason.OVERSIZE]
    bomb = inflate(gzip.compress(payload + b" "))
    assert isinstance(bomb, Rejection)
    assert bomb.reason is Reason.OVERSIZE


def test_another_topic_is_a_bad_address() -> None:
    assert parse_topic("t/demo/d1/telemetry") is not None
    assert parse_topic("t/de mo/d1/telemetry") is None


def test_a_status_that_says_nothing_is_a_bad_status() -> None:
    assert read_status("t/demo/d1/status", b"online") is not None
    assert read_status("t/demo/d1/status", b"OK") is None


def test_a_payload_that_names_another_device_than_its_topic_is_a_mismatch() -> None:
    payload = b'{"device_id":"d2","metrics":{"a":1}}'
    assert reasons(payload, device_id="d1") == [Reason.DEVICE_MISMATCH]
    assert reasons(payload, device_id="d2") == []


def faults(schema: Any, value: Any, place: str = "") -> list[str]:
    """Check a JSON value against Avro; a fault is `code--field`."""
    kind = schema["type"] if isinstance(schema, dict) else schema
    if isinstance(schema, list):
        return [] if any(not faults(s, value) for s in schema) else [f"wrong_type--{place}"]
    if kind == "record":
        return record_faults(schema, value)
    if kind == "map":
        fits = isinstance(value, dict) and not any(faults(schema["values"], v) for v in value.values())
    elif kind == "array":
        fits = isinstance(value, list) and not any(faults(schema["items"], v) for v in value)
    else:
        fits = primitive(kind, value)
    return [] if fits else [f"wrong_type--{place}"]


def record_faults(schema: Any, value: Any) -> list[str]:
    if not isinstance(value, dict):
        return ["wrong_type--record"]
    fields = {field["name"]: field for field in schema["fields"]}
    found = [f"unknown_field--{name}" for name in value.keys() - fields.keys()]
    for name, field in fields.items():
        if name in value:
            found += faults(field["type"], value[name], name)
        elif "default" not in field:
            found.append(f"missing_field--{name}")
    return found


def primitive(kind: str | dict[str, Any], value: Any) -> bool:
    if isinstance(kind, dict):
        return not faults(kind, value)
    types: dict[str, Any] = {
        "string": str,
        "bytes": str,
        "long": int,
        "double": (int, float),
        "null": type(None),
        "boolean": bool,
    }
    return isinstance(value, types[kind]) and isinstance(value, bool) is (kind == "boolean")


def schema_of(topic: str) -> Any:
    return json.loads((SCHEMAS / "avro" / topics()[topic].avro_file).read_text())


@pytest.mark.parametrize(("topic", "path"), every("valid", edge=False))
def test_a_valid_record_fits_its_schema(topic: str, path: Path) -> None:
    assert faults(schema_of(topic), json.loads(path.read_text())) == []


@pytest.mark.parametrize(("topic", "path"), every("invalid", edge=False))
def test_an_invalid_record_has_exactly_the_fault_it_is_named_after(topic: str, path: Path) -> None:
    assert faults(schema_of(topic), json.loads(path.read_text())) == [path.stem]


@pytest.mark.parametrize("topic", sorted(topics()))
def test_every_topic_shows_good_and_bad(topic: str) -> None:
    assert examples(topic, "valid")
    assert examples(topic, "invalid")


def test_a_row_that_its_mapping_cannot_read_is_a_bad_row(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("at,t\n2026-01-01T00:00:00Z,warm\n")
    mapping = Mapping.model_validate(
        {
            "about": "one column",
            "device": {"constant": "d1"},
            "time": {"column": "at", "zone": "UTC"},
            "metrics": {"t": "t"},
        }
    )
    (rejection,) = elements((path,), mapping, Source("demo", "", NOW_MS))
    assert isinstance(rejection.part, Rejection)
    assert (rejection.part.reason, rejection.part.original) == ("bad_row", b"2026-01-01T00:00:00Z,warm")
