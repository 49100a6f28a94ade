"""JSON as every store can hold it: UTF-8, each key once, no NUL, no lone surrogate, no NaN, 64-bit integers.

PostgreSQL refuses NUL in text, UTF-8 refuses lone surrogates, and Python's own parser lets both through.
"""

import json
import math
from typing import Any, Never

_LEAST_INTEGER, _GREATEST_INTEGER = -(2**63), 2**64 - 1
_MOST_DEPTH, _MOST_PARTS = 100, 2_000_000


class UnstorableError(ValueError):
    """A value that no store can hold; `place` is where in the value, empty for all of it."""

    def __init__(self, what: str, place: str = "") -> None:
        super().__init__(f"{place}: {what}" if place else what)
        self.what = what
        self.place = place


def parse_json(data: bytes) -> Any:
    """Read JSON; raise UnstorableError saying what is wrong, and where."""
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise UnstorableError(f"is no UTF-8: byte {error.start} is 0x{data[error.start]:02x}") from None
    try:
        value = json.loads(
            text,
            object_pairs_hook=_each_key_once,
            parse_constant=_no_constant,
            parse_float=_finite,
            parse_int=_integer,
        )
    except json.JSONDecodeError as error:
        what = f"is no JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        raise UnstorableError(what) from None
    except RecursionError:
        raise UnstorableError("is nested too deeply") from None
    check_storable(value)
    return value


def check_storable(value: Any) -> None:
    """Raise UnstorableError at the first part of a plain value that no store can hold.

    YAML can hold itself, or stand for more than memory holds: depth and number of parts have a limit.
    """
    waiting: list[tuple[Any, str, int]] = [(value, "", 0)]
    seen = 0
    while waiting:
        part, place, depth = waiting.pop()
        seen += 1
        if depth > _MOST_DEPTH or seen > _MOST_PARTS:
            raise UnstorableError("is nested too deeply" if depth > _MOST_DEPTH else "has too many parts")
        if flaw := _flaw(part):
            raise UnstorableError(flaw, place)
        if isinstance(part, dict):
            inner = [(one, f"{place}.{key}" if place else str(key), depth + 1) for key, one in part.items()]
        elif isinstance(part, list | tuple):
            inner = [(one, f"{place}[{position}]", depth + 1) for position, one in enumerate(part)]
        else:
            continue
        waiting += reversed(inner)


def _flaw(part: Any) -> str | None:
    if isinstance(part, str):
        return f"the text holds {flaw}" if (flaw := text_flaw(part)) else None
    if isinstance(part, dict):
        flaws = (text_flaw(key) for key in part if isinstance(key, str))
        return f"a key holds {flaw}" if (flaw := next(filter(None, flaws), None)) else None
    if isinstance(part, float) and not math.isfinite(part):
        return f"{part} is no finite number"
    if isinstance(part, int) and not _LEAST_INTEGER <= part <= _GREATEST_INTEGER:
        return "an integer of more than 64 bits; write it with an exponent"
    return None


def text_flaw(text: str) -> str | None:
    """Return what keeps a text from being stored: a NUL character or a lone surrogate; None when nothing."""
    if "\x00" in text:
        return "a NUL character"
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return f"half a character (\\u{ord(text[error.start]):04x})"
    return None


def _each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise UnstorableError(f"the key {json.dumps(twice)} is given twice")
    return found


def _no_constant(name: str) -> Never:
    raise UnstorableError(f"{name} is no JSON number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise UnstorableError(f"{text[:40]} is beyond what a number can hold")
    return number


def _integer(text: str) -> int:
    # Longer ones are refused before they cost time to read.
    number = int(text) if len(text) <= 21 else _GREATEST_INTEGER + 1
    if not _LEAST_INTEGER <= number <= _GREATEST_INTEGER:
        raise UnstorableError(f"{text[:40]} is an integer of more than 64 bits; write it with an exponent")
    return number
