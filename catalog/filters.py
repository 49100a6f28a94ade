"""Row filters of Iceberg scans, built from plain values: nothing a caller sends is read as syntax."""

from collections.abc import Collection, Iterable
from itertools import pairwise
from typing import Any, Final

from pyiceberg.expressions import (
    AlwaysTrue,
    And,
    BooleanExpression,
    EqualTo,
    GreaterThanOrEqual,
    In,
    LessThan,
    Or,
)

from millrace.clock import to_iso

# More names than this prune no files (PyIceberg's limit) and only cost time for each row.
MOST_NAMES: Final = 200
MOST_SPANS: Final = 12
Spans = list[tuple[int, int]]


def predicate(kind: Any, column: str, value: Any) -> BooleanExpression:
    """Return `kind(column, value)`: typed here, for these classes seem to take named arguments only."""
    made: BooleanExpression = kind(column, value)
    return made


def every(terms: Iterable[BooleanExpression]) -> BooleanExpression:
    """Return the filter that all terms together make; nothing to say means every row."""
    whole: BooleanExpression = AlwaysTrue()
    for term in terms:
        whole = And(whole, term)
    return whole


def moment(time_ms: int) -> str:
    """Write epoch milliseconds as PyIceberg reads a time with zone."""
    return to_iso(time_ms).replace("Z", "+00:00")


def joined_spans(spans: Collection[tuple[int, int]], most: int = MOST_SPANS) -> Spans:
    """Cover spans with at most `most`, leaving out the widest stretches between them."""
    found: Spans = []
    for begin, end in sorted(spans):
        if found and begin <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((begin, end))
    holes = sorted(range(1, len(found)), key=lambda place: found[place - 1][1] - found[place][0])
    cuts = sorted(holes[: most - 1])
    bounds = [0, *cuts, len(found)]
    return [(found[begin][0], found[end - 1][1]) for begin, end in pairwise(bounds) if begin < end]


def within_spans(column: str, spans: Spans) -> BooleanExpression:
    """Return the filter for times in spans [from, to) of epoch milliseconds; there is at least one."""
    whole = [
        every(
            [
                predicate(GreaterThanOrEqual, column, moment(begin)),
                predicate(LessThan, column, moment(end)),
            ]
        )
        for begin, end in spans
    ]
    found = whole[0]
    for term in whole[1:]:
        found = Or(found, term)
    return found


def of_devices(devices: Collection[str]) -> BooleanExpression:
    """Return the filter for some devices; of too many it lets all pass."""
    if len(devices) > MOST_NAMES:
        return AlwaysTrue()
    return (
        predicate(In, "device_id", set(devices))
        if len(devices) > 1
        else predicate(EqualTo, "device_id", *devices)
    )
