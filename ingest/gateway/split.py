"""Cuts a payload into its elements, each with the bytes exactly as they came."""

import json
from typing import Any

import msgspec

_raw_decoder = msgspec.json.Decoder(list[msgspec.Raw])
_WHITESPACE = " \t\r\n"
# Longer integers are read as floats: Python refuses to convert them, and a double is what we store.
_LONGEST_INT = 20


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= _LONGEST_INT else float(digits)


lenient = json.JSONDecoder(parse_int=_integer)


def split(payload: bytes) -> list[bytes]:
    """Return the elements of a batch, or the payload itself when it is no array.

    Raises ValueError (UnicodeDecodeError when it is not UTF-8) or RecursionError when the payload
    is not one JSON document; the literals NaN and Infinity are let through for a later check.
    """
    payload = payload.strip()
    if not payload.startswith(b"["):
        lenient.decode(payload.decode())
        return [payload]
    try:
        return [bytes(element) for element in _raw_decoder.decode(payload)]
    except msgspec.DecodeError:
        return _split_leniently(payload.decode())


def _split_leniently(text: str) -> list[bytes]:
    elements: list[bytes] = []
    place = _skip_space(text, 1)
    if text[place : place + 1] == "]":
        return _end(text, place, elements)
    while True:
        _, stop = _scan(text, place)
        elements.append(text[place:stop].encode())
        place = _skip_space(text, stop)
        if text[place : place + 1] != ",":
            return _end(text, place, elements)
        place = _skip_space(text, place + 1)


def _scan(text: str, place: int) -> tuple[Any, int]:
    return lenient.raw_decode(text, place)


def _skip_space(text: str, place: int) -> int:
    while place < len(text) and text[place] in _WHITESPACE:
        place += 1
    return place


def _end(text: str, place: int, elements: list[bytes]) -> list[bytes]:
    if text[place:] != "]":
        raise json.JSONDecodeError("the array does not end where it should", text, place)
    return elements
