"""Reads the moment of a reading as devices, spreadsheets and people write it: text, or a number of a unit.

ISO 8601 in extended, basic, week and ordinal form, RFC 3339, RFC 1123, `date`, dates with dots or month
names. Dates whose order of day and month is a guess (`01/02/2026`), years of two digits and zone
abbreviations such as CET are refused. All results are epoch milliseconds; nothing here reads a clock.
"""

import re
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Final, Literal, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

# Nothing measured by a connected device is older; epoch seconds taken for milliseconds land in 1970.
OLDEST_EVENT_MS: Final = 946_684_800_000
MAX_AHEAD_MS: Final = 5 * 60 * 1000
# Of a local time that was twice, the later one counts when the reading came so soon after it.
_PROMPT_MS: Final = 30 * 60 * 1000
Unit = Literal["seconds", "microseconds", "nanoseconds"]
FACTOR_TO_MS: Final[dict[Unit, str]] = {"seconds": "1000", "microseconds": "0.001", "nanoseconds": "0.000001"}

_MINUTE_MS, _HOUR_MS, _DAY_MS = 60_000, 3_600_000, 86_400_000
_YEAR_MS = 366 * _DAY_MS
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - local times are counted from it as if they were UTC
_NAMES = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october",
    "november", "december",
)  # fmt: skip
_MONTHS = {part: at for at, name in enumerate(_NAMES, 1) for part in (name, name[:3])} | {"sept": 9}
# Digits are named, for `\d` also matches those of other scripts.
_RFC_3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?(?:[Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_CLOCK = r"""
  (?: (?P<hour>[0-9]{1,2}) : (?P<minute>[0-9]{2}) (?: : (?P<second>[0-9]{2}) )?
    | (?P<hour_b>[0-9]{2}) (?: (?P<minute_b>[0-9]{2}) (?P<second_b>[0-9]{2})? )? )
  (?: [.,] (?P<fraction>[0-9]{1,30}) )? (?: \s? (?P<half>[AaPp]\.?[Mm]\.?) )?
"""
_OFFSET = r"""
  (?: (?P<utc>Z | UTC | GMT | UT)
    | (?:UTC|GMT)? (?P<sign>[-+\u2212]) (?P<off_h>[0-9]{2})
      (?: :? (?P<off_m>[0-9]{2}) (?: :? (?P<off_s>[0-9]{2}) )? )?
      (?: \s [A-Z]{2,5} | \s? \([^()]*\) )? )
"""
_END = rf"(?: \s? {_OFFSET} )? (?: \[ (?P<zone>[A-Za-z0-9_+/-]{{1,64}}) \] )?"
_WEEKDAY = r"(?: (?:mon|tue|wed|thu|fri|sat|sun)[a-z]{0,6} ,? \s+ )?"
_DAY_MONTH_YEAR = rf"""
  (?: {_WEEKDAY} (?P<day>[0-9]{{1,2}}) [\s-] (?P<name>[A-Z]{{3,9}}) \.? [\s-] (?P<year>[0-9]{{4}})
    | (?P<day_d>[0-9]{{1,2}}) \. (?P<month_d>[0-9]{{1,2}}) \. (?P<year_d>[0-9]{{4}})
    | {_WEEKDAY} (?P<name_f>[A-Z]{{3,9}}) \.? \s+ (?P<day_f>[0-9]{{1,2}}) ,? \s+ (?P<year_f>[0-9]{{4}}) )
"""
_ISO_DATE = r"""
  (?P<year>[0-9]{4}) (?:
    (?P<gap>[-/.]) (?P<month>[0-9]{1,2}) (?P=gap) (?P<day>[0-9]{1,2})
    | (?P<month_b>[0-9]{2}) (?P<day_b>[0-9]{2})
    | -? W (?P<week>[0-9]{2}) -? (?P<weekday>[1-7])
    | -? (?P<ordinal>[0-9]{3}) (?![0-9]) )
"""
_FLAGS = re.VERBOSE | re.IGNORECASE | re.ASCII
_FORMS = (
    re.compile(rf"{_ISO_DATE} (?: (?: [T_] | \s ) {_CLOCK} {_END} )?", _FLAGS),
    re.compile(rf"{_DAY_MONTH_YEAR} (?: (?: ,?\s | T ) {_CLOCK} {_END} )?", _FLAGS),
    # What `date` and ctime print: the zone, if any, before the year.
    re.compile(
        rf"{_WEEKDAY} (?P<name>[A-Z]{{3,9}}) \s+ (?P<day>[0-9]{{1,2}}) \s+"
        rf"{_CLOCK} (?: \s {_OFFSET} )? \s (?P<year>[0-9]{{4}})",
        _FLAGS,
    ),
    # Twelve to seventeen digits: a date and a time without anything between.
    re.compile(
        r"(?P<year>[0-9]{4})(?P<month>[0-9]{2})(?P<day>[0-9]{2})(?P<hour>[0-9]{2})(?P<minute>[0-9]{2})"
        r"(?:(?P<second>[0-9]{2})(?P<fraction>[0-9]{3})?)?"
    ),
)


# Names of groups that are the same part of a time in another form of it.
_ENDING = re.compile(r"_[bdf]\Z")


class UnreadableTimeError(ValueError):
    """A text that is no date and time, or one that does not exist."""


class WrittenTime(NamedTuple):
    """What a text says: a local time as if it were UTC (ms), and offset or zone, if it says one.

    `date_only`: it names a day, and `local_ms` is the start of it.
    """

    local_ms: int
    offset_ms: int | None = None
    zone: ZoneInfo | None = None
    leap: bool = False
    date_only: bool = False


def rfc_3339_ms(text: str) -> int | None:
    """Return the moment of the form most devices write, in a third of the time; None: ask `read_time`."""
    if not _RFC_3339.fullmatch(text):
        return None
    try:
        return round(datetime.fromisoformat(text.upper()).timestamp() * 1000)
    except (ValueError, OverflowError):
        # A leap second or 24:00, or an error for which `read_time` has a sentence.
        return None


def read_time(text: str) -> WrittenTime:
    """Read a date and time; raise UnreadableTimeError saying what is wrong with it."""
    text = text.strip()
    found = next(filter(None, (form.fullmatch(text) for form in _FORMS)), None) if len(text) <= 100 else None
    if found is None:
        raise UnreadableTimeError(f"{text[:40]!r} is no date and time that can be read without guessing")
    return _written({_ENDING.sub("", name): part for name, part in found.groupdict().items() if part})


def moments(written: WrittenTime, zone: ZoneInfo | None = None) -> tuple[int, ...]:
    """Return the moments (epoch ms) a time can be, earliest first; `zone` reads one without an offset.

    None: the zone's clocks never showed it. Two: they showed it twice. Raises UnreadableTimeError where a
    leap second is said that is no last second of a day in UTC, and when there is neither offset nor zone.
    """
    if written.offset_ms is not None:
        found: tuple[int, ...] = (written.local_ms - written.offset_ms,)
    elif written.zone or zone:
        found = local_moments(written.local_ms, written.zone or zone)  # type: ignore[arg-type]
    else:
        raise UnreadableTimeError("the time has no offset, and no zone is known to read it by")
    if written.leap and any(moment % _DAY_MS for moment in found):
        raise UnreadableTimeError("a minute has 60 seconds; a leap second is only 23:59:60 in UTC")
    return found


def moment_on_arrival(found: tuple[int, ...], arrived_ms: int) -> int | None:
    """Return which of the moments a time can be is meant, by when it arrived; None when that is a guess.

    Nothing is measured further ahead than clocks may be wrong, and what comes promptly was measured last.
    """
    earliest, latest = found[0], found[-1]
    if earliest == latest or latest > arrived_ms + MAX_AHEAD_MS:
        return earliest
    return latest if arrived_ms - latest <= _PROMPT_MS else None


def local_moments(local_ms: int, zone: ZoneInfo) -> tuple[int, ...]:
    """Return when a zone's clocks showed a local time: never (a change to summer time), once or twice."""
    try:
        local = _EPOCH + timedelta(milliseconds=local_ms)
        found = {local_ms - _offset_ms(local.replace(tzinfo=zone, fold=fold)) for fold in (0, 1)}
        return tuple(sorted(moment for moment in found if _shown(moment, zone) == local_ms))
    except OverflowError:
        raise UnreadableTimeError("the year is out of range") from None


def known_zone(name: str) -> ZoneInfo:
    """Return a zone of the IANA database; raise ValueError when there is none of that name."""
    zone = _zone(name)
    if zone is None:
        raise ValueError(f"unknown time zone {name[:64]!r}; write UTC or a name such as Europe/Berlin")
    return zone


def unit_of(number: float, now_ms: int) -> Unit | None:
    """Return which unit a number of epoch time is in when it is certainly no number of milliseconds."""
    newest_ms = now_ms + _YEAR_MS
    sizes: tuple[tuple[Unit, float], ...] = (("seconds", 1e-3), ("microseconds", 1e3), ("nanoseconds", 1e6))
    return next((unit for unit, size in sizes if OLDEST_EVENT_MS * size <= number <= newest_ms * size), None)


@lru_cache(maxsize=1024)
def _zone(name: str) -> ZoneInfo | None:
    # A name in other letters is another file on some systems and the same on others: the exact one counts.
    try:
        return ZoneInfo(name) if re.fullmatch(r"[A-Za-z][A-Za-z0-9_+/-]{0,63}", name) else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def _offset_ms(local: datetime) -> int:
    return round((local.utcoffset() or timedelta()) / timedelta(milliseconds=1))


def _shown(moment_ms: int, zone: ZoneInfo) -> int:
    utc = (_EPOCH + timedelta(milliseconds=moment_ms)).replace(tzinfo=UTC)
    return moment_ms + _offset_ms(utc.astimezone(zone))


def _written(parts: dict[str, str]) -> WrittenTime:
    day_ms, leap = _clock_ms(parts)
    local_ms = (_date(parts).toordinal() - _EPOCH_DAY) * _DAY_MS + day_ms
    zone = known_zone(parts["zone"]) if "zone" in parts else None
    return WrittenTime(local_ms, _said_offset_ms(parts), zone, leap, "hour" not in parts)


def _date(parts: dict[str, str]) -> date:
    year = int(parts["year"])
    try:
        if "week" in parts:
            return date.fromisocalendar(year, int(parts["week"]), int(parts["weekday"]))
        if "ordinal" in parts:
            return _day_of_year(year, int(parts["ordinal"]))
        return date(year, _month(parts), int(parts["day"]))
    except (ValueError, OverflowError) as error:
        raise UnreadableTimeError(f"no such day: {error}") from None


def _day_of_year(year: int, day: int) -> date:
    found = date(year, 1, 1) + timedelta(days=day - 1)
    if found.year != year:
        raise ValueError(f"the year {year} has no day {day}")
    return found


def _month(parts: dict[str, str]) -> int:
    name = parts.get("name", "").lower()
    if not name:
        return int(parts["month"])
    if name not in _MONTHS:
        raise ValueError(f"{name!r} is no month")
    return _MONTHS[name]


def _clock_ms(parts: dict[str, str]) -> tuple[int, bool]:
    """Return the time of day (ms), and whether it is a leap second: it counts as the next second's start."""
    hour, minute, second = (int(parts.get(name, "0")) for name in ("hour", "minute", "second"))
    if "half" in parts:
        if not 1 <= hour <= 12:
            raise UnreadableTimeError(f"no such time: {hour} is no hour of a clock with am and pm")
        hour = hour % 12 + (12 if parts["half"].lower().startswith("p") else 0)
    leap = second == 60
    fraction_ms = _fraction_ms(parts)
    midnight = (hour, minute, second, fraction_ms) == (24, 0, 0, 0)
    if not midnight and (hour > 23 or minute > 59 or second > 60):
        raise UnreadableTimeError(f"no such time: {hour:02}:{minute:02}:{second:02}")
    # Whatever its fraction: nothing in the leap second may come after what follows it.
    passed_ms = 60_000 if leap else second * 1000 + fraction_ms
    return hour * _HOUR_MS + minute * _MINUTE_MS + passed_ms, leap


def _fraction_ms(parts: dict[str, str]) -> int:
    unit_ms = 1000 if "second" in parts else _MINUTE_MS if "minute" in parts else _HOUR_MS
    digits = parts.get("fraction", "0")[:12]
    whole: int = 10 ** len(digits)
    return (2 * int(digits) * unit_ms + whole) // (2 * whole)


def _said_offset_ms(parts: dict[str, str]) -> int | None:
    if "utc" in parts:
        return 0
    if "sign" not in parts:
        return None
    hours, minutes, seconds = (int(parts.get(name, "0")) for name in ("off_h", "off_m", "off_s"))
    if hours > 23 or minutes > 59 or seconds > 59:
        raise UnreadableTimeError(f"no such offset: {hours:02}:{minutes:02}")
    return (hours * 3600 + minutes * 60 + seconds) * (1000 if parts["sign"] == "+" else -1000)
