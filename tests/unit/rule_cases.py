"""Rules, readings and a consumer of alert changes, for the tests of rules."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from udfs.rules.alerts import Alert, AlertChange
from udfs.rules.history import alerts_of
from udfs.rules.model import Rule, parse_rule
from udfs.rules.reading import RuleDevice, RuleReading
from udfs.rules.rule_book import RuleBook
from udfs.rules.runner import DeviceRunner

# A Monday, 00:00 UTC.
START_MS = 1_704_067_200_000
DEVICE = RuleDevice("acme", "pump-1", "north", "pump")


class At(NamedTuple):
    """A reading of the metric `v`, `at_s` seconds after the start."""

    at_s: float
    value: float | None = None
    other: float | None = None
    place: tuple[float, float] | None = None

    @property
    def reading(self) -> RuleReading:
        named = {"v": self.value, "w": self.other}
        metrics = {name: value for name, value in named.items() if value is not None}
        return RuleReading(START_MS + round(self.at_s * 1000), metrics, *(self.place or (None, None)))


# What a case expects of an alert: onset, raised, cleared (None = open) in seconds, severity.
Instance = tuple[float, float, float | None, str]


def rule(when: dict[str, Any], **more: Any) -> Rule:
    return parse_rule({"rule": "a-rule", "when": when} | more)


def instances(alerts: Iterable[Alert]) -> list[Instance]:
    return [_instance(alert) for alert in alerts]


def _instance(alert: Alert) -> Instance:
    cleared_s = None if alert.cleared_ms is None else since(alert.cleared_ms)
    return since(alert.onset_ms), since(alert.raised_ms), cleared_s, alert.severity


def since(at_ms: int) -> float:
    return (at_ms - START_MS) / 1000


def in_order(given: Rule, rows: Sequence[At], until_s: float | None = None) -> list[Instance]:
    until_ms = None if until_s is None else START_MS + round(until_s * 1000)
    return instances(alerts_of(given, DEVICE, [row.reading for row in rows], until_ms, version=1))


class Keeper:
    """Takes changes as whoever keeps alerts would, and holds what they come to."""

    def __init__(self) -> None:
        self.alerts: dict[str, Alert] = {}
        self.told: list[AlertChange] = []

    def take(self, changes: Iterable[AlertChange]) -> None:
        for one in changes:
            self.told.append(one)
            if one.kind == "withdrawn":
                del self.alerts[one.alert_id]
            elif one.kind == "cleared":
                assert self.alerts[one.alert_id].cleared_ms != one.at_ms
                self._put(one, self.alerts[one.alert_id].evidence, one.at_ms)
            else:
                assert (one.kind == "raised") == (one.alert_id not in self.alerts)
                self._put(one, one.evidence, None)

    def _put(self, one: AlertChange, evidence: dict[str, float | str], cleared_ms: int | None) -> None:
        known = self.alerts.get(one.alert_id)
        raised_ms = one.at_ms if known is None or one.kind == "updated" else known.raised_ms
        self.alerts[one.alert_id] = Alert(
            one.alert_id, one.rule, one.rule_version, one.severity, one.onset_ms, raised_ms, evidence,
            cleared_ms, one.shadow,
        )  # fmt: skip

    def sorted(self) -> list[Alert]:
        return sorted(self.alerts.values(), key=lambda alert: (alert.rule, alert.raised_ms, alert.onset_ms))


def book_of(*rules: Rule, version: int = 1) -> RuleBook:
    book = RuleBook()
    for one in rules:
        book.put(one, version)
    return book


def live(
    given: Rule, rows: Sequence[At], out_of_order_s: float = 10.0, until_s: float | None = None
) -> tuple[list[Instance], list[AlertChange], list[At]]:
    """Run rows one by one in the order given; the watermark lags the newest one."""
    runner, keeper, late = DeviceRunner(DEVICE, book_of(given)), Keeper(), []
    newest_ms = 0
    for row in rows:
        outcome = runner.take([row.reading])
        keeper.take(outcome.changes)
        late += [row] * len(outcome.late)
        newest_ms = max(newest_ms, row.reading.event_time_ms)
        keeper.take(runner.pass_time(newest_ms - round(out_of_order_s * 1000)))
    end_ms = newest_ms if until_s is None else START_MS + round(until_s * 1000)
    keeper.take(runner.pass_time(end_ms))
    return instances(keeper.sorted()), keeper.told, late
