"""Reads a request body piece by piece within the payload limit, inflating gzip on the way."""

import zlib
from collections.abc import AsyncIterator

from ingest.gateway.edge import MAX_PAYLOAD_BYTES
from ingest.gateway.normalise import Rejection, oversize
from ingest.gateway.reasons import Reason

_GZIP = 16 + zlib.MAX_WBITS


async def read_body(pieces: AsyncIterator[bytes], gzipped: bool) -> bytes | Rejection:
    """Return the payload, or why it is refused; holds at most a little more than the limit in memory."""
    body = bytearray()
    async for piece in pieces:
        body += piece
        if len(body) > MAX_PAYLOAD_BYTES:
            return oversize(bytes(body), "body")
    return inflate(bytes(body)) if gzipped else bytes(body)


def inflate(body: bytes) -> bytes | Rejection:
    """Inflate gzip up to the payload limit; a larger one is `oversize`, a damaged one `bad_gzip`."""
    inflater = zlib.decompressobj(_GZIP)
    try:
        payload = inflater.decompress(body, MAX_PAYLOAD_BYTES + 1)
    except zlib.error as error:
        return Rejection(reason=Reason.BAD_GZIP, detail=str(error), original=body)
    if len(payload) > MAX_PAYLOAD_BYTES:
        return oversize(body, "inflated gzip body")
    if not inflater.eof or inflater.unused_data:
        return Rejection(reason=Reason.BAD_GZIP, detail="ends early or goes on after the end", original=body)
    return payload
