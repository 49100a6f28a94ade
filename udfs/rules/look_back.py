"""How far before a time a rule must look to judge from there on as if it had been in force for long."""

from typing import Final

import msgspec

from udfs.rules.condition import Condition, ms
from udfs.rules.model import Rule, condition_for

DAY_MS: Final = 86_400_000


def look_back_ms(rule: Rule) -> int:
    """Return a day, all days of the condition and twice its seconds, of the override that needs most; ms.

    Twice, so that what holds already at the start of the look-back is raised within it and not after it. An
    alert that began before is open all the same, but its onset is not known.
    """
    conditions = [rule.when, *(condition_for(rule, device_id) for device_id in rule.overrides)]
    return DAY_MS + max(map(_reach_ms, conditions))


def look_ahead_ms(rule: Rule) -> int:
    """Return for how long a reading counts by itself, and not only in a baseline: twice the seconds; ms."""
    conditions = [rule.when, *(condition_for(rule, device_id) for device_id in rule.overrides)]
    return max(map(_lasting_ms, conditions))


def _reach_ms(condition: Condition) -> int:
    fields = msgspec.structs.asdict(condition)
    days: int = sum(value for name, value in fields.items() if name.endswith("_days"))
    return _lasting_ms(condition) + days * DAY_MS


def _lasting_ms(condition: Condition) -> int:
    # Fields are named with their units, in every kind.
    fields = msgspec.structs.asdict(condition)
    seconds: float = sum(value for name, value in fields.items() if name.endswith("_s") and value is not None)
    return 2 * ms(seconds)
