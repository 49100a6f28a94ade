"""Readings of one device from columns, as the lake holds them."""

from collections.abc import Mapping, Sequence
from itertools import repeat

from udfs.rules.reading import RuleReading

Column = Sequence[float | None]


def readings_of(
    times_ms: Sequence[int], metrics: Mapping[str, Column], places: tuple[Column, Column] | None = None
) -> list[RuleReading]:
    """Return a reading for each row; None is a metric that was not sent, `places` are lat and lon."""
    lat, lon = (repeat(None), repeat(None)) if places is None else places
    rows = zip(times_ms, _maps(metrics, len(times_ms)), lat, lon, strict=False)
    return [RuleReading(*row) for row in rows]


def _maps(metrics: Mapping[str, Column], rows: int) -> list[dict[str, float]]:
    if len(metrics) == 1:
        [(name, column)] = metrics.items()
        return [{} if value is None else {name: value} for value in column]
    if not metrics:
        return [{} for _ in range(rows)]
    names = tuple(metrics)
    return [
        {name: value for name, value in zip(names, values, strict=True) if value is not None}
        for values in zip(*metrics.values(), strict=True)
    ]
