"""A small set of declared fixes that turn a refused message into one the gateway can take."""

import copy
import json
import math
from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, FiniteFloat, JsonValue

from millrace.clock import to_iso
from millrace.event_times import UnreadableTimeError, known_zone, local_moments, moments, read_time

# Names inside these may hold dots; everywhere else a dot is part of the field's own name.
_OBJECTS = frozenset({"metrics", "attributes", "location"})
_UTC: Final = ZoneInfo("UTC")
_DAY_MS: Final = 86_400_000
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


def _is_zone(name: str) -> str:
    return known_zone(name).key


class AssumeZone(_Fix):
    """Read a date and time without an offset by a time zone; one that has an offset stays as it is.

    Without `zone` by that of the device, its site, its tenant or the stack. `which` decides of the hour that
    comes twice when summer time ends, and of the one left out when it begins, which offset counts: that from
    before the change (earlier) or from after it (later).
    """

    fix: Literal["assume_zone"]
    field: FieldPath = "event_time"
    zone: Annotated[str, AfterValidator(_is_zone)] | None = Field(
        default=None, description="A name such as Europe/Berlin."
    )
    which: Literal["earlier", "later"] | None = None


Fix = Annotated[
    RenameField | SetField | RemoveField | ScaleNumber | TextToNumber | AssumeUtc | AssumeZone,
    Field(discriminator="fix"),
]


def apply_fixes(reading: Reading, fixes: Sequence[Fix], zone: ZoneInfo | None = None) -> Reading:
    """Return the reading with the fixes applied in their order; raise FixError where one does not fit.

    `zone` is the one in which the reading's device writes local times.
    """
    fixed = copy.deepcopy(reading)
    for fix in fixes:
        _apply(fixed, fix, zone)
    return fixed


def asks_for_zone(fix: Fix) -> bool:
    """Tell whether a fix needs to know the zone of the device."""
    return isinstance(fix, AssumeZone) and fix.zone is None


def touches(fix: Fix, field: str) -> bool:
    """Tell whether a fix writes or removes a field."""
    return field in ((fix.from_, fix.to) if isinstance(fix, RenameField) else (fix.field,))


def _apply(reading: Reading, fix: Fix, zone: ZoneInfo | None) -> None:
    if isinstance(fix, RenameField):
        _rename(reading, fix)
        return
    place, name = _place(reading, fix.field, make=isinstance(fix, SetField))
    if isinstance(fix, SetField):
        place[name] = copy.deepcopy(fix.value)
    elif name in place:
        _change(place, name, fix, zone)


def _change(
    place: Reading,
    name: str,
    fix: RemoveField | ScaleNumber | TextToNumber | AssumeUtc | AssumeZone,
    zone: ZoneInfo | None,
) -> None:
    if isinstance(fix, RemoveField):
        del place[name]
    elif isinstance(fix, ScaleNumber):
        place[name] = _scaled(place[name], fix)
    elif isinstance(fix, TextToNumber):
        place[name] = _number(place[name], fix.field)
    elif isinstance(fix, AssumeZone):
        place[name] = _by_zone(place[name], fix, known_zone(fix.zone) if fix.zone else zone)
    else:
        place[name] = _by_zone(place[name], fix, _UTC)


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
    try:
        scaled = value * fix.factor
    except OverflowError:
        scaled = math.inf
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


def _by_zone(value: Any, fix: AssumeUtc | AssumeZone, zone: ZoneInfo | None) -> Any:
    """Return a local time in UTC; what is no text, or says its offset, as it is."""
    if not isinstance(value, str):
        return value
    try:
        written = read_time(value)
        if written.offset_ms is not None:
            return value.strip()
        zone = written.zone or zone
        if zone is None:
            raise FixError(f"{fix.fix}: no time zone is set for this device: name one, such as Europe/Berlin")
        found = () if written.date_only else moments(written, zone)
    except UnreadableTimeError as error:
        raise FixError(_no_local_time(value, fix, str(error))) from None
    if written.date_only:
        raise FixError(_no_local_time(value, fix, "a date alone is no moment"))
    return _text(_decided(value, fix, found or _around(written.local_ms, zone), skipped=not found))


def _no_local_time(value: str, fix: AssumeUtc | AssumeZone, why: str) -> str:
    return f"{fix.fix}: {fix.field} is no date and time without an offset: {value[:40]!r} ({why})"


def _around(local_ms: int, zone: ZoneInfo) -> tuple[int, ...]:
    """Return what a local time that the clocks skipped means by the offsets after and before the change."""
    before, after = (local_moments(local_ms + shift_ms, zone) for shift_ms in (-_DAY_MS, _DAY_MS))
    return after[-1] - _DAY_MS, before[0] + _DAY_MS


def _decided(value: str, fix: AssumeUtc | AssumeZone, found: tuple[int, ...], *, skipped: bool) -> int:
    if len(set(found)) == 1:
        return found[0]
    # `earlier` is the offset from before the change, by which a skipped time is the later moment.
    first, second = reversed(found) if skipped else found
    which = fix.which if isinstance(fix, AssumeZone) else None
    if which is None:
        why = "was skipped by the clocks of its zone" if skipped else "was twice in its zone"
        raise FixError(
            f"{fix.fix}: {value[:40]!r} {why}: add earlier ({_text(first)}) or later ({_text(second)})"
        )
    return first if which == "earlier" else second


def _text(moment_ms: int) -> str:
    return to_iso(moment_ms).replace(".000Z", "Z")
