"""Row filters of Iceberg scans, built from plain values: nothing a caller sends is read as syntax."""

from collections.abc import Iterable
from typing import Any

from pyiceberg.expressions import AlwaysTrue, And, BooleanExpression

from millrace.clock import to_iso


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
