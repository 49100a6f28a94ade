"""Times and resolutions as a caller writes them, turned into aligned milliseconds."""

import re
from math import log
from typing import Final, Literal, NamedTuple, get_args

from api.problems import WrongParameterError
from millrace.event_times import UnreadableTimeError, moments, read_time
from millrace.nearest import did_you_mean
from udfs.local_buckets import Buckets, LocalClock, Step, local_clock

Fixed = Literal["10s", "30s", "1m", "5m", "10m", "15m", "30m", "1h", "3h", "6h", "12h", "1d"]
Resolution = Literal[
    "10s", "30s", "1m", "5m", "10m", "15m", "30m", "1h", "3h", "6h", "12h", "1d", "1w", "1mo"
]
Asked = Literal[
    "auto", "raw", "10s", "30s", "1m", "5m", "10m", "15m", "30m", "1h", "3h", "6h", "12h", "1d", "1w", "1mo"
]
_MINUTE_MS, _HOUR_MS = 60_000, 3_600_000
DAY_MS: Final = 24 * _HOUR_MS
STEP_MS: Final[dict[Fixed, int]] = {
    "10s": 10_000,
    "30s": 30_000,
    "1m": _MINUTE_MS,
    "5m": 5 * _MINUTE_MS,
    "10m": 10 * _MINUTE_MS,
    "15m": 15 * _MINUTE_MS,
    "30m": 30 * _MINUTE_MS,
    "1h": _HOUR_MS,
    "3h": 3 * _HOUR_MS,
    "6h": 6 * _HOUR_MS,
    "12h": 12 * _HOUR_MS,
    "1d": DAY_MS,
}
_CALENDAR: dict[str, Step] = {"1w": "week", "1mo": "month"}
RESOLUTIONS: Final[tuple[Resolution, ...]] = get_args(Resolution)
# Width of most buckets; months are at most as wide.
NOMINAL_MS: Final[dict[str, int]] = dict([*STEP_MS.items(), ("1w", 7 * DAY_MS), ("1mo", 31 * DAY_MS)])
AUTO_POINTS = 1000
UTC: Final = local_clock("UTC")
TIME_FORMS = (
    "RFC 3339 (2026-01-31T12:00:00Z), epoch milliseconds, `now`, or relative such as -90s, -15m, -1h, -1d"
)
LOCAL_FORMS = f"{TIME_FORMS}. A time or a day without an offset is read by `timezone`"
ZONE_FORMS = "a name such as Europe/Berlin, UTC, or an offset such as +02:00"
_UNIT_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_RELATIVE = re.compile(r"-(\d{1,9})([smhd])", re.ASCII)
_EPOCH = re.compile(r"\d+", re.ASCII)
# Behind a time of day; what ends a date is no offset. An unescaped + arrives as a space.
_OFFSET = re.compile(
    r"(?<=[\d.])(?:(?P<utc>[Zz])|(?P<sign>[+ -])(?P<hours>\d\d):?(?P<minutes>\d\d)?)$", re.ASCII
)
_CLOCK = re.compile(r"\d[Tt _]\d{1,2}:?\d\d", re.ASCII)
# Epoch seconds of our days stay below, epoch milliseconds since 1973 above.
_LEAST_EPOCH_MS = 100_000_000_000
# 9999-12-31: what a four-digit year can still say, less an hour for rounding up.
_GREATEST_EPOCH_MS = 253_402_297_200_000


class Span(NamedTuple):
    """A half-open range of event time, [from_ms, to_ms), UTC epoch milliseconds."""

    from_ms: int
    to_ms: int

    def cut(self, other: "Span") -> "Span":
        """Return the common part; empty (`from_ms == to_ms`) when there is none."""
        from_ms = min(max(self.from_ms, other.from_ms), self.to_ms)
        return Span(from_ms, max(from_ms, min(self.to_ms, other.to_ms)))

    def aligned(self, step_ms: int) -> "Span":
        """Widen both ends to multiples of the step."""
        return Span(self.from_ms // step_ms * step_ms, -(-self.to_ms // step_ms) * step_ms)

    def widened(self, buckets: Buckets) -> "Span":
        """Widen both ends to those of buckets, so that every point covers its whole width."""
        return Span(buckets.begin(self.from_ms), buckets.end(self.to_ms))

    @property
    def width_ms(self) -> int:
        """Length in milliseconds."""
        return self.to_ms - self.from_ms


class Bound(NamedTuple):
    """An end of a range; `offset` is the one it was written with, "Z" or such as +02:00, if it was."""

    time_ms: int
    offset: str | None = None


def parse_time(text: str, parameter: str, now_ms: int) -> int:
    """Read one time; raise WrongParameterError naming the parameter and the accepted forms."""
    return parse_bound(text, parameter, now_ms).time_ms


def parse_bound(text: str, parameter: str, now_ms: int, clock: LocalClock = UTC) -> Bound:
    """Read one time, by the clock where it has no offset; WrongParameterError as `parse_time`.

    Of two moments at which the clock showed it a `from` is the first, any other bound the last.
    """
    try:
        bound = _bound(text.strip(), now_ms, clock, latest=parameter != "from")
    except (ValueError, OverflowError):
        raise WrongParameterError(
            parameter, f"{parameter}={text!r} is no time", accepted=TIME_FORMS
        ) from None
    if not 0 <= bound.time_ms <= _GREATEST_EPOCH_MS:
        raise WrongParameterError(
            parameter, f"{parameter}={text!r} lies outside 1970 to 9999", accepted=TIME_FORMS
        )
    return bound


def _bound(text: str, now_ms: int, clock: LocalClock, *, latest: bool) -> Bound:
    if text == "now":
        return Bound(now_ms)
    if relative := _RELATIVE.fullmatch(text):
        return Bound(now_ms - int(relative[1]) * _UNIT_MS[relative[2]])
    if _EPOCH.fullmatch(text):
        return Bound(_epoch_ms(int(text)))
    offset = _OFFSET.search(text) if _CLOCK.search(text) else None
    if offset and offset["sign"] == " ":
        text = f"{text[: offset.start()]}+{text[offset.start() + 1 :]}"
    written = read_time(text)
    if written.offset_ms is None and written.zone is None:
        return Bound(clock.moment(written.local_ms, latest=latest))
    found = moments(written)
    if not found:
        raise UnreadableTimeError("the zone's clocks never showed it")
    return Bound(found[-1 if latest else 0], _offset_name(offset))


def _offset_name(offset: re.Match[str] | None) -> str:
    if offset is None or offset["utc"]:
        return "Z"
    sign = "-" if offset["sign"] == "-" else "+"
    name = f"{sign}{offset['hours']}:{offset['minutes'] or '00'}"
    return "Z" if name.endswith("00:00") else name


def _epoch_ms(number: int) -> int:
    if number < _LEAST_EPOCH_MS:
        raise ValueError("epoch seconds, or no time at all")
    return number


def parse_span(from_text: str, to_text: str, now_ms: int) -> Span:
    """Read a range; raise WrongParameterError when an end is no time or the range is empty."""
    return span_between(
        parse_bound(from_text, "from", now_ms), parse_bound(to_text, "to", now_ms), from_text, to_text
    )


def span_between(begin: Bound, end: Bound, from_text: str, to_text: str) -> Span:
    """Return the range between two bounds; WrongParameterError when it is empty."""
    span = Span(begin.time_ms, end.time_ms)
    if span.width_ms <= 0:
        raise WrongParameterError(
            "from", f"from={from_text!r} is not before to={to_text!r}", accepted="a `from` before `to`"
        )
    return span


def parse_zone(text: str) -> LocalClock:
    """Read the name of a time zone; WrongParameterError with the nearest name when there is none."""
    from zoneinfo import available_timezones

    # An unescaped + of an offset arrives as a space.
    name = re.sub(r"^ (?=\d\d:\d\d$)", "+", text)
    try:
        return local_clock(name.strip())
    except ValueError:
        meant = did_you_mean(text, available_timezones())
        raise WrongParameterError(
            "timezone", f"timezone={text!r} is no time zone{meant}", accepted=ZONE_FORMS
        ) from None


def buckets_of(resolution: Resolution, clock: LocalClock) -> Buckets:
    """Return the buckets of a resolution."""
    step = _CALENDAR.get(resolution)
    return Buckets(clock, NOMINAL_MS[resolution] if step is None else step)


def automatic(width_ms: int, most_points: int) -> Fixed:
    """Return the resolution whose number of points is nearest to AUTO_POINTS, as a ratio, of those that fit.

    At most `most_points` fit; the coarsest is always allowed.
    """
    fitting = [name for name, step_ms in STEP_MS.items() if width_ms <= step_ms * most_points]
    return min(fitting or ["1d"], key=lambda name: abs(log(width_ms / STEP_MS[name] / AUTO_POINTS)))
