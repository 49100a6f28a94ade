"""A small set of declared fixes that turn a refused message into one the gateway can take."""

import copy
import json
import math
import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, JsonValue

from millrace.clock import from_iso

_OFFSET = re.compile(r"([Zz]|[+-]\d\d:?\d\d)$")
# Names inside these may hold dots; everywhere else a dot is part of the field's own name.
_OBJECTS = frozenset({"metrics", "attributes", "location"})
Reading = dict[str, Any]
FieldPath = Annotated[
    str,
    Field(
        min_length=1,
        max_length=300,
        description="`event_time`, `metrics.temperature_c`, `location.lat`, `attributes.room`.",
    ),
]


class FixError(Exception):
    """A fix does not fit the message; the text says why."""


class _Fix(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class RenameField(_Fix):
    """Move a field to another name; nothing happens where it is absent."""

    fix: Literal["rename"]
    from_: FieldPath = Field(alias="from")
    to: FieldPath


class SetField(_Fix):
    """Give a field a value, whatever it had."""

    fix: Literal["set"]
    field: FieldPath
    value: JsonValue


class RemoveField(_Fix):
    """Take a field away; nothing happens where it is absent."""

    fix: Literal["remove"]
    field: FieldPath


class ScaleNumber(_Fix):
    """Multiply a number: `event_time` by 1000 makes milliseconds of seconds."""

    fix: Literal["scale"]
    field: FieldPath
    factor: FiniteFloat


class TextToNumber(_Fix):
    """Read a text such as "21.5" as the number it shows."""

    fix: Literal["to_number"]
    field: FieldPath


class AssumeUtc(_Fix):
    """Read a date and time without an offset as UTC; one that has an offset stays as it is."""

    fix: Literal["assume_utc"]
    field: FieldPath = "event_time"


Fix = Annotated[
    RenameField | SetField | RemoveField | ScaleNumber | TextToNumber | AssumeUtc, Field(discriminator="fix")
]


def apply_fixes(reading: Reading, fixes: Sequence[Fix]) -> Reading:
    """Return the reading with the fixes applied in their order; raise FixError where one does not fit."""
    fixed = copy.deepcopy(reading)
    for fix in fixes:
        _apply(fixed, fix)
    return fixed


def touches(fix: Fix, field: str) -> bool:
    """Tell whether a fix writes or removes a field."""
    return field in ((fix.from_, fix.to) if isinstance(fix, RenameField) else (fix.field,))


def _apply(reading: Reading, fix: Fix) -> None:
    if isinstance(fix, RenameField):
        _rename(reading, fix)
        return
    place, name = _place(reading, fix.field, make=isinstance(fix, SetField))
    if isinstance(fix, SetField):
        place[name] = copy.deepcopy(fix.value)
    elif name in place:
        _change(place, name, fix)


def _change(place: Reading, name: str, fix: RemoveField | ScaleNumber | TextToNumber | AssumeUtc) -> None:
    if isinstance(fix, RemoveField):
        del place[name]
    elif isinstance(fix, ScaleNumber):
        place[name] = _scaled(place[name], fix)
    elif isinstance(fix, TextToNumber):
        place[name] = _number(place[name], fix.field)
    else:
        place[name] = _utc(place[name], fix.field)


def _rename(reading: Reading, fix: RenameField) -> None:
    origin, old = _place(reading, fix.from_)
    if old not in origin:
        return
    target, new = _place(reading, fix.to, make=True)
    if new in target:
        raise FixError(f"rename: {fix.to} is there already")
    target[new] = origin.pop(old)


def _place(reading: Reading, path: str, *, make: bool = False) -> tuple[Reading, str]:
    """Return the object a path ends in and the name inside it; the object is made when asked for."""
    head, dot, tail = path.partition(".")
    if not (dot and tail and head in _OBJECTS):
        return reading, path
    inner = reading.get(head)
    if inner is None:
        inner = {}
        if make:
            reading[head] = inner
    if not isinstance(inner, dict):
        raise FixError(f"{path}: {head} is no object")
    return inner, tail


def _scaled(value: Any, fix: ScaleNumber) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise FixError(f"scale: {fix.field} is no number")
    scaled = value * fix.factor
    if not math.isfinite(scaled):
        raise FixError(f"scale: {fix.field} leaves the range of numbers")
    # Milliseconds are whole; a metric keeps its fraction.
    return round(scaled) if fix.field == "event_time" else scaled


def _number(value: Any, field: str) -> int | float:
    if not isinstance(value, str):
        return _same_number(value, field)
    try:
        number = json.loads(value.strip())
    except ValueError:
        raise FixError(f"to_number: {field} shows no number: {value[:40]!r}") from None
    return _same_number(number, field)


def _same_number(value: Any, field: str) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise FixError(f"to_number: {field} is neither a number nor a text that shows one")
    return value


def _utc(value: Any, field: str) -> Any:
    if not isinstance(value, str):
        return value
    text = value.strip().replace(" ", "T", 1)
    if _OFFSET.search(text):
        return text
    try:
        from_iso(text + "Z")
    except ValueError:
        raise FixError(f"assume_utc: {field} is no date and time without an offset: {text[:40]!r}") from None
    return text + "Z"
