"""Which rules late readings may concern: those in force now whose scope holds the device as it is now."""

import logging
from collections.abc import Collection, Iterable
from typing import NamedTuple

import msgspec

from catalog.rule_store import StoredRule
from millrace.errors import MillraceError
from udfs.rules.look_back import look_ahead_ms, look_back_ms
from udfs.rules.model import Rule, parse_rule
from udfs.rules.reading import RuleDevice, RuleReading
from udfs.rules.rule_book import Compiled, RuleBook

_log = logging.getLogger("millrace.corrector")


class Judge(NamedTuple):
    """A rule ready for a device; how far around a reading it looks, and for how long a reading counts."""

    compiled: Compiled
    look_back_ms: int
    look_ahead_ms: int


class TenantRules:
    """The rules of one tenant that are enabled or in shadow."""

    def __init__(self, stored: Iterable[StoredRule]) -> None:
        self._book = RuleBook()
        self._rules: dict[str, Rule] = {}
        for one in stored:
            self._put(one)

    def _put(self, one: StoredRule) -> None:
        if one.state not in {"enabled", "shadow"}:
            return
        try:
            rule = msgspec.structs.replace(parse_rule(one.definition), state=one.state)
        except MillraceError as error:
            _log.error("rule_not_understood rule=%s/%s error=%s", one.tenant, one.rule, error)
            return
        self._rules[rule.rule] = rule
        self._book.put(rule, one.version)

    def judges(self, device: RuleDevice, metrics: Collection[str], located: bool) -> list[Judge]:
        """Return the rules to which readings with these metrics, or a place, say something.

        Late data can only make untrue what waits for the watermark, an absence: such rules are left out.
        """
        says = RuleReading(0, dict.fromkeys(metrics, 0.0), *((0.0, 0.0) if located else (None, None)))
        matching = self._book.rules_for(device).matching(says)
        return [self._judge(one) for one in matching if not one.evaluator.waits]

    def all_judges(self, device: RuleDevice) -> list[Judge]:
        """Return all rules that are in force for a device, without those that wait for the watermark."""
        found = self._book.rules_for(device).by_name.values()
        return [self._judge(one) for one in found if not one.evaluator.waits]

    def judge(self, device: RuleDevice, rule: str) -> Judge | None:
        """Return a rule for a device; None when it is not in force for it."""
        one = self._book.rules_for(device).by_name.get(rule)
        return None if one is None else self._judge(one)

    def _judge(self, one: Compiled) -> Judge:
        rule = self._rules[one.rule]
        return Judge(one, look_back_ms(rule), look_ahead_ms(rule))
