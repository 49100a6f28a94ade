"""A rule's own examples, executed: what must fire, and what must stay silent."""

from collections.abc import Iterator
from datetime import datetime
from itertools import zip_longest
from typing import Annotated, Any, Final, NamedTuple

import msgspec

from udfs.rules.alerts import Alert
from udfs.rules.condition import ms
from udfs.rules.history import alerts_of
from udfs.rules.model import Expected, Fires, Repeat, Rule, Silent
from udfs.rules.reading import RuleDevice, RuleReading

MOST_READINGS: Final = 50_000
_Place = tuple[Annotated[float, msgspec.Meta(ge=-90, le=90)], Annotated[float, msgspec.Meta(ge=-180, le=180)]]
_Metrics = dict[str, float]


class Failure(NamedTuple):
    """An example that did not do what it says."""

    example: str
    what: str


class _At(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    at_s: float
    metrics: _Metrics
    place: _Place | None = None


def run_examples(rule: Rule) -> list[Failure]:
    """Execute a rule's examples and return those that fail; none at all is no failure."""
    failures = []
    for example in (*rule.examples.fires, *rule.examples.silent):
        try:
            what = _check(rule, example)
        except (msgspec.ValidationError, ValueError) as error:
            what = f"it cannot be read: {error}"
        if what:
            failures.append(Failure(example.name, what))
    return failures


def _check(rule: Rule, example: Silent) -> str:
    start_ms = _start_ms(example.start)
    readings = list(_readings(example, start_ms))
    until_ms = None if example.until_s is None else start_ms + ms(example.until_s)
    found = alerts_of(rule, RuleDevice("example", example.device), readings, until_ms)
    expected = example.expect if isinstance(example, Fires) else ()
    for number, (want, alert) in enumerate(zip_longest(expected, found), start=1):
        said = _difference(want, alert, start_ms)
        if said:
            return f"alert {number}: {said}"
    return ""


def _start_ms(start: str) -> int:
    moment = datetime.fromisoformat(start)
    if moment.tzinfo is None:
        raise ValueError(f"start {start!r} needs a time zone, such as Z")
    return round(moment.timestamp() * 1000)


def _readings(example: Silent, start_ms: int) -> Iterator[RuleReading]:
    room = MOST_READINGS
    for written in example.readings:
        for at_s, metrics, place in _written(written):
            room -= 1
            if room < 0:
                raise ValueError(f"an example has at most {MOST_READINGS} readings")
            yield RuleReading(start_ms + ms(at_s), metrics, *(place or (None, None)))


def _written(written: list[Any] | Repeat) -> Iterator[tuple[float, _Metrics, _Place | None]]:
    if not isinstance(written, Repeat):
        one = msgspec.convert(written, _At)
        yield one.at_s, one.metrics, one.place
        return
    number = 0
    while (at_s := written.from_s + number * written.every_s) < written.to_s:
        yield at_s, {name: _turn(values, number) for name, values in written.metrics.items()}, None
        number += 1


def _turn(values: float | tuple[float, ...], number: int) -> float:
    return values[number % len(values)] if isinstance(values, tuple) else values


def _difference(want: Expected | None, alert: Alert | None, start_ms: int) -> str:
    if alert is None:
        assert want is not None
        return f"expected with onset at {want.onset_s:g} s, none was raised"
    onset_s = (alert.onset_ms - start_ms) / 1000
    if want is None:
        return f"not expected, but raised with onset at {onset_s:g} s"
    if alert.onset_ms != start_ms + ms(want.onset_s):
        return f"expected with onset at {want.onset_s:g} s, raised with onset at {onset_s:g} s"
    if want.severity is not None and want.severity != alert.severity:
        return f"expected {want.severity}, is {alert.severity}"
    if want.cleared_s is None:
        return ""
    if alert.cleared_ms is None:
        return f"expected to clear at {want.cleared_s:g} s, is still open"
    cleared_s = (alert.cleared_ms - start_ms) / 1000
    if alert.cleared_ms != start_ms + ms(want.cleared_s):
        return f"expected to clear at {want.cleared_s:g} s, cleared at {cleared_s:g} s"
    return ""
