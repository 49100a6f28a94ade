"""Event time from the cells of a row: local times, clocks that are set back and forth, and epoch numbers."""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache, partial
from typing import Any, Final

from ingest.replay.mapping import Time, zone_of

# From the cells of `time_columns` to UTC epoch milliseconds; raises ValueError that says what is wrong.
ReadTime = Callable[[Sequence[Any]], int]
_FIELDS: Final = ("year", "month", "day", "hour", "minute", "second", "date", "time")
_UNITS: Final = {"epoch_s": 1e3, "epoch_ms": 1.0, "epoch_us": 1e-3, "epoch_ns": 1e-6}
_DAY: Final = timedelta(days=1)
_EXCEL_DAY_0: Final = datetime(1899, 12, 30)  # noqa: DTZ001 - a local time like every other cell
_EARLIEST_MS, _LATEST_MS = -62_135_596_800_000, 253_402_300_799_999
# Nothing measured by a connected device lies outside; a number that does is in another unit.
_LIKELY_MS: Final = (315_532_800_000, 4_102_444_800_000)
_NUMBER: Final = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_MIDNIGHT_24: Final = re.compile(r"(?<![\d:.,])24(:?)00(?::?00(?:[.,]0+)?)?(?=$|[^\d:.,])", re.ASCII)
_LEAP_SECOND: Final = re.compile(r"(?<=23:59:)60(?=$|[^\d])", re.ASCII)


class RepeatedTime(int):
    """The earlier of two moments that one local time names, because clocks were set back between them."""

    later_ms: int

    @classmethod
    def of(cls, earlier_ms: int, later_ms: int) -> "RepeatedTime":
        """Return the earlier moment, which knows the later one."""
        found = cls(earlier_ms)
        found.later_ms = later_ms
        return found


def time_columns(time: Time) -> list[str | int]:
    """Return the columns event time is read from."""
    if time.columns is not None:
        named = {str(field): column for field, column in time.columns.items()}
        return [named[field] for field in _FIELDS if field in named]
    return [] if time.column is None else [time.column]


def time_reader(time: Time) -> ReadTime:
    """Return what reads the cells of `time_columns`.

    A local time that came twice is a `RepeatedTime` unless the mapping says which is meant.
    """
    place = _placing(time)
    if time.columns is None:
        if time.format in _UNITS:
            return partial(_epoch, unit=time.format)
        moment_of = _moments(time.format)
        return lambda parts: place(moment_of(parts[0]))
    if "date" in time.columns:
        moment_of = _moments(time.format)
        return lambda parts: place(_joined(parts, moment_of))
    return _calendar(tuple(field for field in _FIELDS if field in time.columns), place)


def _calendar(fields: tuple[str, ...], place: Callable[[datetime], int]) -> ReadTime:
    # Several files share their hours, so most rows are answered from the cache.
    @lru_cache(maxsize=65_536)
    def parse(parts: tuple[Any, ...]) -> int:
        named: dict[str, Any] = {field: _whole(part) for field, part in zip(fields, parts, strict=True)}
        if named.get("hour") == 24 and not named.get("minute") and not named.get("second"):
            return place(datetime(**(named | {"hour": 0})) + _DAY)  # noqa: DTZ001 - `place` gives it its zone
        return place(datetime(**named))  # noqa: DTZ001

    return lambda parts: parse(tuple(parts))


def _whole(part: Any) -> int:
    if type(part) is str and part.isdigit() and part.isascii():
        return int(part)
    number = _number(part)
    if number != int(number):
        raise ValueError(f"{part!r} is no whole number")
    return int(number)


def _number(part: Any) -> float:
    if isinstance(part, int | float) and not isinstance(part, bool):
        return float(part)
    if not isinstance(part, str) or not _NUMBER.fullmatch(part.strip()):
        raise ValueError(f"{part!r} is no number")
    return float(part)


def _epoch(parts: Sequence[Any], unit: str) -> int:
    if isinstance(parts[0], date):
        raise ValueError(f"{_shown(parts[0])} is a date, not a number of format {unit}")  # noqa: TRY004 - a bad cell, not a bad call
    text = parts[0].strip() if isinstance(parts[0], str) else parts[0]
    # Whole numbers exactly: a double holds no nanoseconds of today.
    if isinstance(text, str) and text.isascii() and text.removeprefix("-").isdigit():
        found = _scaled(int(text), unit)
    else:
        number = _number(text)
        found = round(number * _UNITS[unit])
    low, high = _LIKELY_MS
    if not low <= found <= high and (other := _likely_unit(_number(text), unit)):
        raise ValueError(
            f"{text} looks like {other[1]}, not like {_unit_name(unit)}: set `format: {other[0]}`"
        )
    if not _EARLIEST_MS <= found <= _LATEST_MS:
        raise ValueError(f"{text} as {unit} is beyond the calendar")
    return found


def _scaled(number: int, unit: str) -> int:
    factor = _UNITS[unit]
    divisor = round(1 / factor)
    return number * round(factor) if factor >= 1 else (number + divisor // 2) // divisor


def _unit_name(unit: str) -> str:
    return {"epoch_s": "seconds", "epoch_ms": "milliseconds", "epoch_us": "microseconds"}.get(
        unit, "nanoseconds"
    )


def _likely_unit(number: float, unit: str) -> tuple[str, str] | None:
    low, high = _LIKELY_MS
    likely = [name for name, factor in _UNITS.items() if name != unit and low <= number * factor <= high]
    return (likely[0], _unit_name(likely[0])) if likely else None


def _moments(format: str) -> Callable[[Any], datetime]:
    """Return what makes a moment of a cell; it has an offset only when the text names one."""
    if format == "iso":
        return partial(_parsed, read=datetime.fromisoformat, format=format)
    if format == "excel":
        return _serial
    return partial(_parsed, read=partial(_strptime, format=format), format=format)


def _strptime(text: str, format: str) -> datetime:
    return datetime.strptime(text, format)  # noqa: DTZ007 - the mapping's zone is added by the caller


def _parsed(cell: Any, read: Callable[[str], datetime], format: str) -> datetime:
    try:
        return read(cell)
    except (TypeError, ValueError):
        pass
    if isinstance(cell, datetime):
        return cell
    if isinstance(cell, date):
        return datetime.combine(cell, time())
    if not isinstance(cell, str):
        raise ValueError(  # noqa: TRY004 - a bad cell, not a bad call
            f"{_shown(cell)} is a number, no date: give the cells a date format, or set `format: excel`"
        )
    return _written_oddly(cell, read, format)


def _written_oddly(text: str, read: Callable[[str], datetime], format: str) -> datetime:
    """Read a time with blanks around, 24:00 of a day, or a leap second as the start of the next second."""
    plain, more = text.strip(), timedelta()
    if found := _MIDNIGHT_24.search(plain):
        plain, more = plain[: found.start()] + "00" + plain[found.start() + 2 :], _DAY
    elif _LEAP_SECOND.search(plain):
        plain, more = _LEAP_SECOND.sub("59", plain), timedelta(seconds=1)
    try:
        # strptime takes digits of any script.
        return read(plain if plain.isascii() else "") + more
    except (ValueError, OverflowError):
        raise ValueError(f"{text!r} is no time of format {format!r}") from None


def _serial(cell: Any) -> datetime:
    if isinstance(cell, datetime):
        return cell
    return _EXCEL_DAY_0 + timedelta(milliseconds=round(_number(cell) * 86_400_000))


def _joined(parts: Sequence[Any], moment_of: Callable[[Any], datetime]) -> datetime:
    day, clock = parts
    if isinstance(day, str) and isinstance(clock, str):
        return moment_of(f"{day.strip()} {clock.strip()}")
    begin = datetime.combine(_day_of(day), time())
    if isinstance(clock, timedelta):
        return begin + clock
    if isinstance(clock, datetime):
        return datetime.combine(begin, clock.time())
    if isinstance(clock, int | float) and 0 <= clock <= 1:
        return begin + timedelta(milliseconds=round(clock * 86_400_000))
    return datetime.combine(
        begin, clock if isinstance(clock, time) else time.fromisoformat(str(clock).strip())
    )


def _day_of(cell: Any) -> date:
    if isinstance(cell, datetime):
        return cell.date()
    if isinstance(cell, date):
        return cell
    return date.fromisoformat(str(cell).strip())


def _shown(cell: Any) -> str:
    return cell.isoformat(sep=" ") if isinstance(cell, datetime) else str(cell)


def _placing(time: Time) -> Callable[[datetime], int]:
    """Return what gives a moment its place in time: by its own offset, else by the mapping's zone."""
    if time.zone == "UTC":
        return lambda moment: _epoch_ms(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    zone = zone_of(time.zone)
    settled = lru_cache(maxsize=4_096)(partial(_settled_offset, zone))

    def place(moment: datetime) -> int:
        if moment.tzinfo is not None:
            return _epoch_ms(moment)
        offset = settled(moment.date())
        if offset is not None:
            return _epoch_ms(moment.replace(tzinfo=UTC)) - offset
        return _unsettled(moment, zone, time)

    return place


def _settled_offset(zone: tzinfo, day: date) -> int | None:
    """Return a day's offset from UTC in milliseconds, or None when clocks are changed on it."""
    begin = datetime.combine(day, time(), zone)
    hours = [
        (begin.replace(tzinfo=None) + timedelta(hours=n)).replace(tzinfo=zone, fold=f)
        for n in (0, 6, 12, 18, 24)
        for f in (0, 1)
    ]
    offsets = {moment.utcoffset() for moment in hours}
    first = offsets.pop()
    return None if offsets or first is None else round(first.total_seconds() * 1000)


def _unsettled(moment: datetime, zone: tzinfo, time: Time) -> int:
    earlier, later = (_epoch_ms(moment.replace(tzinfo=zone, fold=fold)) for fold in (0, 1))
    if earlier == later:
        return earlier
    local = moment.isoformat(sep=" ")
    if earlier > later:
        raise ValueError(
            f"{local} never was in {time.zone}: clocks were set forward over it. "
            "If the logger keeps one time all year, give `zone` its offset, such as +01:00"
        )
    if time.ambiguous == "refuse":
        raise ValueError(f"{local} was twice in {time.zone}, and `ambiguous: refuse` is set")
    if time.ambiguous == "infer":
        return RepeatedTime.of(earlier, later)
    return earlier if time.ambiguous == "earlier" else later


def _epoch_ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
