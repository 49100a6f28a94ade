"""Refused bytes name a device as a whole or not at all, whatever they are written in."""

import gzip
import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.forgetting import names_in_bytes
from catalog.forgetting.names_in_bytes import Name, named_in, word

pytestmark = pytest.mark.lakehouse

NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,40}", fullmatch=True)
BATCH = b'[{"device_id":"dev-1","metrics":{"t":NaN}},{"device_id":"dev-3","metrics":{"t":1}}'


def cbor(device: str) -> bytes:
    """Write {"device_id": device, "t": 7} by RFC 8949: each short text behind 0x60 + its length."""
    texts = [bytes([0x60 + len(text)]) + text.encode() for text in ("device_id", device, "t")]
    return b"\xa2" + b"".join(texts) + b"\x07"


def protobuf(device: str) -> bytes:
    """Write field 1 as text and field 7 as number: the second's tag is the character 8."""
    return b"\x0a" + bytes([len(device)]) + device.encode() + b"\x38\x07"


@pytest.mark.parametrize(
    ("original", "device", "is_in"),
    [
        # JSON, whole or broken
        (BATCH, "dev-1", True),
        (BATCH, "dev-3", True),
        (BATCH, "dev", False),
        (b'{"device_id": "dev-10", "metrics": {}}', "dev-1", False),
        (b'{"device_id": "hall:dev-1", "metrics": {}}', "dev-1", False),
        (b'\xef\xbb\xbf {"device_id":"dev-1"', "dev-1", True),
        (b'{"device_id":"dev-1","place":"\xb0"}', "dev-1", True),
        (b'{"device_id": " dev-1 "}', "dev-1", True),
        (b'{"dev-1": {"t": 1}}', "dev-1", True),
        (b'{"topic": "hall/dev-1/t"}', "dev-1", True),
        (rb'{"topic": "hall\/dev-1\/t"}', "dev-1", True),
        (rb'{"body": "{\"device_id\":\"dev-1\"}"}', "dev-1", True),
        (b'{"text": "near dev-1 and dev-2"}', "dev-1", False),
        (b'{"t": 7, "u": [7, 8]}', "7", False),
        (b'{"device_id": 7, "t": 1}', "7", True),
        (b'{"device_id": 77, "t": 1}', "7", False),
        # other text
        (b"dev-1,21.5\n", "dev-1", True),
        (b"dev-10,21.5\ndev-11,21.5\n", "dev-1", False),
        (b"temperature,device=dev-1 value=21.5", "dev-1", True),
        (b"xdev-1 edev-1 dev-1.0", "dev-1", False),
        ("dev-10;21,5 °C".encode(), "dev-1", False),
        (b"axb", "a.b", False),
        (b"", "dev-1", False),
        # other bytes
        (cbor("dev-1"), "dev-1", True),
        (cbor("dev-10"), "dev-1", False),
        (cbor("line-dev-1"), "dev-1", False),
        (protobuf("dev-1"), "dev-1", True),
        (protobuf("dev-10"), "dev-1", False),
        (msgspec.msgpack.encode(["dev-1", 48]), "dev-1", True),
        (msgspec.msgpack.encode(["dev-10", 48]), "dev-1", False),
        (b"\x00\x01dev-1\x00dev-2", "dev-1", True),
        (b"\xff\xfe dev-1", "dev-1", True),
        # gzip, whole or damaged; without the time of now, since the test is named after the bytes
        (gzip.compress(BATCH, mtime=0), "dev-1", True),
        (gzip.compress(b'{"device_id":"dev-10"}', mtime=0), "dev-1", False),
        (gzip.compress(BATCH, mtime=0)[:-9], "dev-3", True),
        (b"\x1f\x8b and no more of it", "dev-1", False),
        # what the rule says that it does not find
        (b'{"device_id":"dev\\u002d1"}', "dev-1", False),
        ('{"device_id":"dev-1"}'.encode("utf-16-le"), "dev-1", False),
    ],
)
def test_a_name_counts_as_a_whole(original: bytes, device: str, is_in: bool) -> None:
    assert Name(device).is_in(original) is is_in
    assert named_in(pa.chunked_array([pa.array([original])]), device).tolist() == [is_in]


def test_each_of_many_is_told_apart_across_chunks() -> None:
    chunks = [pa.array([b"dev-10", b"dev-1"]), pa.array([gzip.compress(b"dev-1"), b"", b"\xffdev-1"])]
    assert named_in(pa.chunked_array(chunks), "dev-1").tolist() == [False, True, True, False, True]


def test_what_inflates_without_end_is_looked_into_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names_in_bytes, "_INFLATED_BYTES", 1_000)
    near, far = (b" " * blanks + b"dev-1" for blanks in (900, 1_000))
    assert [Name("dev-1").is_in(gzip.compress(one)) for one in (near, far)] == [True, False]


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from value
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from texts(one)
    elif isinstance(value, str):
        yield value


@settings(max_examples=40)
@given(st.lists(NAMES, min_size=1, max_size=4), NAMES)
def test_in_json_a_name_is_in_what_a_parser_finds_as_a_text(names: list[str], other: str) -> None:
    payload = json.dumps([{"device_id": name, "metrics": {"t": 7}} for name in names])
    found = set(texts(json.loads(payload)))
    for name in [*names, other, names[0][:-1] or "t"]:
        assert Name(name).is_in(payload.encode()) is (name in found)


@settings(max_examples=40)
@given(st.lists(NAMES, min_size=1, max_size=6), NAMES)
def test_in_a_row_of_a_table_a_name_is_in_its_cells(cells: list[str], other: str) -> None:
    for name in [*cells, other, cells[0] + "0"]:
        assert Name(name).is_in(",".join(cells).encode()) is (name in cells)


@settings(max_examples=40)
@given(NAMES, st.integers(0, 127))
def test_in_messagepack_no_name_is_missed_whatever_follows(name: str, number: int) -> None:
    assert Name(name).is_in(msgspec.msgpack.encode({"device_id": name, "t": [number, -1]}))


def test_the_pattern_of_a_word_takes_a_name_by_its_letters() -> None:
    assert word("a.b") == r"(^|[^A-Za-z0-9._:-])a\.b($|[^A-Za-z0-9._:-])"
