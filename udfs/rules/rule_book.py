"""All rules of a tenant, compiled for devices; its cost for a reading grows with the rules that match."""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple
from zlib import crc32

import msgspec

from udfs.rules.condition import Condition
from udfs.rules.discovery import name_of
from udfs.rules.evaluator import Evaluator, compile_rule
from udfs.rules.model import Rule, condition_for
from udfs.rules.reading import RuleDevice, RuleReading

# A device sends few forms of readings; one that makes up names must not fill the memory.
MOST_FORMS: Final = 512


class Compiled(NamedTuple):
    """A rule in a version, ready for a device; see Run for `form` and `subject`."""

    rule: str
    version: int
    shadow: bool
    form: int
    subject: int
    evaluator: Evaluator


class DeviceRules:
    """The rules in whose scope a device is; shared by devices of the same scope."""

    __slots__ = ("_always", "_by_metric", "_forms", "_located", "by_name")

    def __init__(self, compiled: Iterable[Compiled]) -> None:
        self.by_name = {one.rule: one for one in compiled}
        self._by_metric: dict[str, list[Compiled]] = {}
        self._always: list[Compiled] = []
        self._located: list[Compiled] = []
        self._forms: dict[tuple[str, ...], tuple[Compiled, ...]] = {}
        for one in self.by_name.values():
            self._place(one)

    def _place(self, one: Compiled) -> None:
        for metric in one.evaluator.metrics:
            self._by_metric.setdefault(metric, []).append(one)
        if one.evaluator.located:
            self._located.append(one)
        elif not one.evaluator.metrics:
            self._always.append(one)

    def matching(self, reading: RuleReading) -> tuple[Compiled, ...]:
        """Return the rules to which a reading says something."""
        form = tuple(reading.metrics)
        found = self._forms.get(form)
        if found is None:
            found = self._found(form)
        return found if reading.lat is None or not self._located else (*found, *self._located)

    def _found(self, form: tuple[str, ...]) -> tuple[Compiled, ...]:
        named = {one.rule: one for metric in form for one in self._by_metric.get(metric, ())}
        found = (*named.values(), *self._always)
        if len(self._forms) >= MOST_FORMS:
            self._forms.clear()
        self._forms[form] = found
        return found


class RuleBook:
    """The rules of one tenant that are enabled or in shadow, each in the version in force."""

    def __init__(self) -> None:
        self._rules: dict[str, tuple[Rule, int]] = {}
        self._named: set[str] = set()
        self._by_scope: dict[tuple[object, ...], DeviceRules] = {}
        self._compiled: dict[tuple[str, int, str, tuple[str, ...]], Compiled] = {}

    def copy(self) -> "RuleBook":
        """Return a book of the same rules that changes by itself; what is compiled stays so."""
        book = RuleBook()
        book._rules, book._named = dict(self._rules), self._named
        in_force = {(rule.rule, version) for rule, version in self._rules.values()}
        book._compiled = {key: one for key, one in self._compiled.items() if key[:2] in in_force}
        return book

    def put(self, rule: Rule, version: int) -> None:
        """Take a rule in force, in place of its earlier version; a disabled one is as good as removed."""
        self._rules.pop(rule.rule, None)
        if rule.state != "disabled":
            self._rules[rule.rule] = (rule, version)
        self._changed()

    def remove(self, name: str) -> None:
        """Forget a rule."""
        self._rules.pop(name, None)
        self._changed()

    def _changed(self) -> None:
        self._by_scope.clear()
        self._named = {
            device for rule, _ in self._rules.values() for device in (*rule.scope.devices, *rule.overrides)
        }

    def rules_for(self, device: RuleDevice) -> DeviceRules:
        """Return a device's rules: the same object until a rule changes."""
        name = device.device_id if device.device_id in self._named else ""
        key = (device.site, device.profile, device.tags, device.counters, name)
        found = self._by_scope.get(key)
        if found is None:
            covering = (pair for pair in self._rules.values() if pair[0].scope.covers(device))
            found = DeviceRules(self._ready(rule, version, device) for rule, version in covering)
            self._by_scope[key] = found
        return found

    def _ready(self, rule: Rule, version: int, device: RuleDevice) -> Compiled:
        name = device.device_id if device.device_id in rule.overrides else ""
        key = (rule.rule, version, name, device.counters)
        found = self._compiled.get(key)
        if found is None:
            found = self._compiled[key] = _compiled(rule, version, device)
        return found


def _compiled(rule: Rule, version: int, device: RuleDevice) -> Compiled:
    condition = condition_for(rule, device.device_id)
    data: Mapping[str, object] = msgspec.to_builtins(condition)
    form = {key: value for key, value in data.items() if key not in condition.judged_only}
    return Compiled(
        rule.rule,
        version,
        rule.state == "shadow",
        _fingerprint(form),
        _fingerprint(_subject(condition)),
        compile_rule(rule, device),
    )


def _subject(condition: Condition) -> list[object]:
    return [name_of(condition), getattr(condition, "metric", None)]


def _fingerprint(value: object) -> int:
    return crc32(msgspec.json.encode(value, order="sorted"))
