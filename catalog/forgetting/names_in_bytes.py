"""Whether bytes that the gateway could not read name a device: those of dead letters without one.

A name counts as a whole only: `dev-1` is neither in `dev-10` nor in `hall:dev-1`. A whole is

- in JSON, or what begins like it, a string, a key or a segment of a path in one; or the value of `device_id`,
  quoted or not. Were a bare number enough, device `7` would own whoever measured 7.
- in other text what stands between characters that no name has. A number there cannot be told from a name.
- in other bytes the same, or what stands behind its own length, as CBOR, MessagePack and Protobuf write text;
  the bytes on both sides may be letters there by chance.

gzip is inflated, as far as it is sound. A name that is cut, escaped, encrypted or in UTF-16 is not found.
"""

import re
import zlib
from contextlib import suppress
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from catalog.maintenance.rewriting import Mask

_PART: Final = "A-Za-z0-9._:-"
_JSON_BEGINS: Final = (b"{", b"[", b'"')
_BLANKS: Final = b"\xef\xbb\xbf \t\r\n"
_CONTROL: Final = re.compile(rb"[\x00-\x08\x0e-\x1f\x7f]")
_GZIP_BEGINS: Final = b"\x1f\x8b"
_GZIP: Final = 16 + zlib.MAX_WBITS
# What comes before a damage is known by pieces.
_PIECE_BYTES: Final = 256
# The gateway takes 256 KiB; what inflates to more than 64 times that is no message but a bomb.
_INFLATED_BYTES: Final = 16 * 1024 * 1024


def word(device_id: str) -> str:
    """Return a pattern of the name between characters that no name has, for Python and PostgreSQL."""
    return f"(^|[^{_PART}]){re.escape(device_id)}($|[^{_PART}])"


def named_in(originals: pa.ChunkedArray, device_id: str) -> Mask:
    """Tell of each of these bytes whether they name the device."""
    name = Name(device_id)
    # Most are of others, and Arrow sees that faster.
    worth: Any = pc.or_(pc.match_substring(originals, device_id), pc.starts_with(originals, _GZIP_BEGINS))
    found = np.zeros(len(originals), np.bool_)
    for place in np.flatnonzero(worth.to_numpy()):
        found[place] = name.is_in(originals[int(place)].as_py())
    return found


class Name:
    """The name of a device, to be looked for in bytes."""

    def __init__(self, device_id: str) -> None:
        self._plain = device_id.encode()
        name, between = re.escape(device_id), word(device_id)
        # One run of blanks at a time: two beside each other would take for ever to fail on a long one.
        valued = rf'"device_id"\s*:[\s"]*{name}($|[^{_PART}])'
        self._in_json = re.compile(rf'["/]{name}(["/\\]|$)|{valued}'.encode())
        self._in_text = re.compile(between.encode())
        behind_length = b"[" + re.escape(_lengths(len(device_id))) + b"]" + name.encode()
        self._in_bytes = re.compile(between.encode() + b"|" + behind_length)

    def is_in(self, original: bytes) -> bool:
        """Tell whether these bytes name the device."""
        plain = _inflated(original) if original.startswith(_GZIP_BEGINS) else original
        return self._plain in plain and self._pattern(plain).search(plain) is not None

    def _pattern(self, plain: bytes) -> re.Pattern[bytes]:
        if plain.lstrip(_BLANKS).startswith(_JSON_BEGINS):
            return self._in_json
        return self._in_text if _is_text(plain) else self._in_bytes


def _lengths(size: int) -> bytes:
    """Return how a length stands before its text: plain, in CBOR up to 23, in MessagePack up to 31."""
    short = ([0x60 + size] if size < 24 else []) + ([0xA0 + size] if size < 32 else [])
    return bytes([size, *short])


def _is_text(plain: bytes) -> bool:
    try:
        plain.decode()
    except UnicodeDecodeError:
        return False
    return not _CONTROL.search(plain)


def _inflated(original: bytes) -> bytes:
    inflater, found = zlib.decompressobj(_GZIP), bytearray()
    with suppress(zlib.error):
        for begin in range(0, len(original), _PIECE_BYTES):
            found += inflater.decompress(original[begin : begin + _PIECE_BYTES], _INFLATED_BYTES - len(found))
            if len(found) >= _INFLATED_BYTES:
                break
    return bytes(found)
