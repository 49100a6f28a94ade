"""Event time from the text of a row."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

from ingest.replay.mapping import Time

ReadTime = Callable[[Sequence[str]], int]
_FIELDS = ("year", "month", "day", "hour", "minute", "second")


def time_columns(time: Time) -> list[str]:
    """Return the columns event time is read from."""
    if time.columns is not None:
        return [time.columns[field] for field in _FIELDS if field in time.columns]
    return [str(time.column)]


def time_reader(time: Time) -> ReadTime:
    """Return a function from the texts of `time_columns` to epoch milliseconds; it raises ValueError."""
    zone = UTC if time.zone == "UTC" else ZoneInfo(time.zone)
    if time.columns is not None:
        return _calendar(zone, tuple(field for field in _FIELDS if field in time.columns))
    return _text(zone, time.format)


def _calendar(zone: tzinfo, fields: tuple[str, ...]) -> ReadTime:
    # Several files share their hours, so most rows are answered from the cache.
    @lru_cache(maxsize=65_536)
    def parse(parts: tuple[str, ...]) -> int:
        named = {field: int(part) for field, part in zip(fields, parts, strict=True)}
        return _epoch_ms(datetime(**named, tzinfo=zone))

    return lambda parts: parse(tuple(parts))


def _text(zone: tzinfo, format: str) -> ReadTime:
    if format == "epoch_s":
        return lambda parts: round(float(parts[0]) * 1000)
    if format == "epoch_ms":
        return lambda parts: int(parts[0])
    if format == "iso":
        return lambda parts: _epoch_ms(_in_zone(datetime.fromisoformat(parts[0]), zone))
    return lambda parts: _epoch_ms(_in_zone(_strptime(parts[0], format), zone))


def _strptime(text: str, format: str) -> datetime:
    return datetime.strptime(text, format)  # noqa: DTZ007 - the mapping's zone is added by the caller


def _in_zone(moment: datetime, zone: tzinfo) -> datetime:
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=zone)


def _epoch_ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
