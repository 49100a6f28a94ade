"""When a rule may raise: days and hours in a time zone."""

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
TimeOfDay = Annotated[str, msgspec.Meta(pattern=r"^(([01]\d|2[0-3]):[0-5]\d|24:00)\Z")]


class Schedule(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    rename={"from_": "from"},
):
    """On `days` from `from` until before `to`, local time; an end before the start is of the next day."""

    timezone: str = "UTC"
    days: tuple[Day, ...] = DAYS
    from_: TimeOfDay = "00:00"
    to: TimeOfDay = "24:00"

    def __post_init__(self) -> None:
        try:
            _zone(self.timezone)
        except (ZoneInfoNotFoundError, ValueError):
            raise ValueError(f"no time zone is called {self.timezone!r}") from None
        if not self.days:
            raise ValueError("a schedule without days never raises: disable the rule instead")
        if self.from_ == self.to:
            raise ValueError("a schedule must not end when it starts")

    def opens_ms(self, at_ms: int) -> int:
        """Return `at_ms` if the schedule is open then, else when it next opens; UTC epoch milliseconds."""
        today = datetime.fromtimestamp(at_ms / 1000, _zone(self.timezone)).date()
        windows = (self._window(today + timedelta(days=later)) for later in range(-1, 9))
        return next(max(window[0], at_ms) for window in windows if window and window[1] > at_ms)

    def _window(self, day: date) -> tuple[int, int] | None:
        if DAYS[day.weekday()] not in self.days:
            return None
        ends = day if _minutes(self.to) > _minutes(self.from_) else day + timedelta(days=1)
        return self._instant_ms(day, self.from_), self._instant_ms(ends, self.to)

    def _instant_ms(self, day: date, time: str) -> int:
        # A wall time that the clock change skips or repeats is the instant of the offset before the change.
        local = datetime(day.year, day.month, day.day, tzinfo=_zone(self.timezone))
        wall = local.replace(tzinfo=None) + timedelta(minutes=_minutes(time))
        return int(wall.replace(tzinfo=local.tzinfo).astimezone(UTC).timestamp()) * 1000


def _minutes(time: str) -> int:
    return int(time[:2]) * 60 + int(time[3:])


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)
