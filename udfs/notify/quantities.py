"""Figures, durations and times as people read them."""

from typing import Any

from millrace.clock import to_iso

_EXPONENT_FROM = 1e15
_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60))


def figure(value: Any) -> str:
    """Return a number with six digits that count, more where the whole part has more; other text as it is."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return str(value)
    whole_digits = len(f"{abs(number):.0f}") if abs(number) < _EXPONENT_FROM else 0
    return f"{number:.{max(6, whole_digits + 2)}g}" if abs(number) >= 1 else f"{number:.6g}"


def duration(seconds: Any) -> str:
    """Return seconds in the two largest units that say something: `90` is `1 min 30 s`."""
    rest = float(seconds)
    if rest < 60:
        return f"{rest:.3g} s"
    left = round(rest)
    parts: list[str] = []
    for unit, size in (*_UNITS, ("s", 1)):
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {unit}")
        elif parts:
            break
    return " ".join(parts[:2])


def moment(time_ms: int) -> str:
    """Return a time as `2026-01-31 12:00:05 UTC`."""
    return to_iso(time_ms)[:19].replace("T", " ") + " UTC"
