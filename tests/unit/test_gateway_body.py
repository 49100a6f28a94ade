"""Request bodies stay within the limit, plain or inflated."""

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator

import pytest

from ingest.gateway.body import inflate, read_body
from ingest.gateway.edge import MAX_PAYLOAD_BYTES
from ingest.gateway.normalise import Rejection
from ingest.gateway.reasons import Reason

pytestmark = pytest.mark.gateway


def read(pieces: list[bytes], gzipped: bool = False) -> bytes | Rejection:
    async def stream() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    return asyncio.run(read_body(stream(), gzipped))


def test_a_body_in_pieces_is_put_together() -> None:
    assert read([b"ab", b"", b"c"]) == b"abc"


def test_a_gzip_body_is_inflated() -> None:
    packed = gzip.compress(b"x" * MAX_PAYLOAD_BYTES)
    assert read([packed[:20], packed[20:]], gzipped=True) == b"x" * MAX_PAYLOAD_BYTES


def test_reading_stops_soon_after_the_limit() -> None:
    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        while True:
            taken += 65_536
            yield b"x" * 65_536

    result = asyncio.run(read_body(endless(), gzipped=False))
    assert isinstance(result, Rejection)
    assert result.reason is Reason.OVERSIZE
    assert len(result.original) == MAX_PAYLOAD_BYTES
    assert taken <= MAX_PAYLOAD_BYTES + 65_536


def test_a_zip_bomb_is_oversize_and_keeps_the_bytes_that_came() -> None:
    bomb = gzip.compress(b"\x00" * (64 * 1024 * 1024))
    result = inflate(bomb)
    assert isinstance(result, Rejection)
    assert (result.reason, result.original) == (Reason.OVERSIZE, bomb)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b'{"device_id":"d"}',
        gzip.compress(b"hello")[:-4],
        gzip.compress(b"hello") + b"rest",
        zlib.compress(b"hello"),
    ],
    ids=["empty", "plain", "cut", "trailing", "zlib"],
)
def test_what_is_not_one_whole_gzip_is_refused(body: bytes) -> None:
    result = inflate(body)
    assert isinstance(result, Rejection)
    assert (result.reason, result.original) == (Reason.BAD_GZIP, body)
