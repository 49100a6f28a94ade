"""Times and resolutions as a caller writes them, turned into aligned milliseconds."""

import re
from math import log
from typing import Literal, NamedTuple

from api.problems import WrongParameterError
from millrace.clock import from_iso

Resolution = Literal["10s", "30s", "1m", "5m", "10m", "15m", "30m", "1h", "3h", "6h", "12h", "1d"]
Asked = Literal["auto", "raw", "10s", "30s", "1m", "5m", "10m", "15m", "30m", "1h", "3h", "6h", "12h", "1d"]
_MINUTE_MS, _HOUR_MS = 60_000, 3_600_000
STEP_MS: dict[Resolution, int] = {
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
    "1d": 24 * _HOUR_MS,
}
AUTO_POINTS = 1000
TIME_FORMS = (
    "RFC 3339 (2026-01-31T12:00:00Z), epoch milliseconds, `now`, or relative such as -90s, -15m, -1h, -1d"
)
_UNIT_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_RELATIVE = re.compile(r"-(\d{1,9})([smhd])", re.ASCII)
_EPOCH = re.compile(r"\d+", re.ASCII)
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
        """Widen both ends to multiples of the step, so that every point covers its whole width."""
        return Span(self.from_ms // step_ms * step_ms, -(-self.to_ms // step_ms) * step_ms)

    @property
    def width_ms(self) -> int:
        """Length in milliseconds."""
        return self.to_ms - self.from_ms


def parse_time(text: str, parameter: str, now_ms: int) -> int:
    """Read one time; raise WrongParameterError naming the parameter and the accepted forms."""
    try:
        time_ms = _time_ms(text.strip(), now_ms)
    except (ValueError, OverflowError):
        raise WrongParameterError(
            parameter, f"{parameter}={text!r} is no time", accepted=TIME_FORMS
        ) from None
    if not 0 <= time_ms <= _GREATEST_EPOCH_MS:
        raise WrongParameterError(
            parameter, f"{parameter}={text!r} lies outside 1970 to 9999", accepted=TIME_FORMS
        )
    return time_ms


def _time_ms(text: str, now_ms: int) -> int:
    if text == "now":
        return now_ms
    if relative := _RELATIVE.fullmatch(text):
        return now_ms - int(relative[1]) * _UNIT_MS[relative[2]]
    if _EPOCH.fullmatch(text):
        return _epoch_ms(int(text))
    # An unescaped + of an offset arrives as a space.
    return from_iso(re.sub(r" (\d\d:\d\d)$", r"+\1", text))


def _epoch_ms(number: int) -> int:
    if number < _LEAST_EPOCH_MS:
        raise ValueError("epoch seconds, or no time at all")
    return number


def parse_span(from_text: str, to_text: str, now_ms: int) -> Span:
    """Read a range; raise WrongParameterError when an end is no time or the range is empty."""
    span = Span(parse_time(from_text, "from", now_ms), parse_time(to_text, "to", now_ms))
    if span.width_ms <= 0:
        raise WrongParameterError(
            "from", f"from={from_text!r} is not before to={to_text!r}", accepted="a `from` before `to`"
        )
    return span


def automatic(width_ms: int, most_points: int) -> Resolution:
    """Return the resolution whose number of points is nearest to AUTO_POINTS, as a ratio, of those that fit.

    At most `most_points` fit; the coarsest is always allowed.
    """
    fitting = [name for name, step_ms in STEP_MS.items() if width_ms <= step_ms * most_points]
    return min(fitting or ["1d"], key=lambda name: abs(log(width_ms / STEP_MS[name] / AUTO_POINTS)))
