"""A rule as people write it and as it is stored: one form for YAML, JSON and PostgreSQL."""

import re
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Union

import msgspec

from millrace.errors import MillraceError
from millrace.known_keys import keys_at, unknown_key
from millrace.nearest import did_you_mean
from millrace.strict_json import UnstorableError, check_storable, text_flaw
from udfs.rules.condition import SEVERITIES, Condition, Level, Seconds, Severity
from udfs.rules.discovery import kinds
from udfs.rules.kinds.threshold import Threshold
from udfs.rules.reading import RuleDevice
from udfs.rules.schedule import Schedule

if TYPE_CHECKING:
    When = Condition
else:
    When = Union[tuple(kinds().values())]  # noqa: UP007

Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9-]{1,64}\Z")]
DeviceId = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}\Z")]
# JSON without a schema: the fields of the rule's kind, or the two forms of readings.
Anything = dict[str, Any]


class _Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A part of a rule; a key it does not know is refused."""


class Scope(_Part, frozen=True, kw_only=True):
    """Which devices: of several lists every one must hold, of a list any entry; all empty = every device."""

    sites: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    devices: tuple[DeviceId, ...] = ()

    def covers(self, device: RuleDevice) -> bool:
        """Tell whether a device is in scope."""
        return (
            (not self.devices or device.device_id in self.devices)
            and (not self.sites or device.site in self.sites)
            and (not self.profiles or device.profile in self.profiles)
            and (not self.tags or not set(self.tags).isdisjoint(device.tags))
        )


class Escalation(_Part, frozen=True, kw_only=True):
    """Whom to tell when nobody acknowledged in time."""

    after_s: Seconds
    notify: tuple[str, ...]


class Expected(_Part, frozen=True, kw_only=True):
    """An alert an example must raise, seconds from the example's start."""

    onset_s: float
    cleared_s: float | None = None
    severity: Severity | None = None


class Repeat(_Part, frozen=True, kw_only=True):
    """Readings at `from_s`, `from_s + every_s` ... before `to_s`; a list of values is gone round."""

    from_s: float
    to_s: float
    every_s: Seconds
    metrics: dict[str, float | tuple[float, ...]]


class Silent(_Part, frozen=True, kw_only=True):
    """Readings that must raise nothing: `[seconds, {metric: value}, [lat, lon]?]`, or a Repeat.

    Time is event time from `start` (ISO 8601, a Monday by default) and passes until `until_s`.
    """

    name: str
    readings: tuple[list[Any] | Repeat, ...]
    device: DeviceId = "example-device"
    start: str = "2024-01-01T00:00:00Z"
    until_s: float | None = None


class Fires(Silent, frozen=True, kw_only=True):
    """Readings that must raise exactly the alerts of `expect`."""

    expect: Annotated[tuple[Expected, ...], msgspec.Meta(min_length=1)]


class Examples(_Part, frozen=True, kw_only=True):
    """What a rule must do and must not do, executed whenever it is saved."""

    fires: tuple[Fires, ...] = ()
    silent: tuple[Silent, ...] = ()


class Rule(_Part, frozen=True, kw_only=True):
    """A rule of one tenant; `overrides` replace fields of `when` for single devices."""

    rule: Name
    about: str = ""
    scope: Scope = Scope()
    when: When
    severity: Severity = "warning"
    levels: tuple[Level, ...] = ()
    schedule: Schedule | None = None
    overrides: dict[DeviceId, Anything] = {}
    state: Literal["enabled", "shadow", "disabled"] = "enabled"
    notify: tuple[str, ...] = ()
    escalate: Escalation | None = None
    examples: Examples = Examples()

    def __post_init__(self) -> None:
        _check_levels(self.severity, self.when, self.levels)
        for device_id in self.overrides:
            try:
                condition_for(self, device_id)
            except msgspec.ValidationError as error:
                said = _override_said(str(error), self.when)
                raise ValueError(f"the override of {device_id} is wrong: {said}") from None

    @property
    def kind(self) -> str:
        """The kind of its condition."""
        return str(self.when.__struct_config__.tag)


def _override_said(error: str, when: Condition) -> str:
    unknown = _UNKNOWN.fullmatch(error)
    if unknown is None or unknown["place"]:
        return error
    return unknown_key([unknown["key"]], when.__struct_fields__).what


MEND: Final = "Correct the rule; GET /rule-kinds shows the form of each kind, with an example."


def parse_rule(data: Anything, where: str = "") -> Rule:
    """Read a rule from plain values.

    Raises MillraceError that says what is wrong, and where in the rule.
    """
    try:
        check_storable(data)
        return msgspec.convert(data, Rule)
    except (msgspec.ValidationError, UnstorableError) as error:
        named = data.get("rule") if isinstance(data, dict) else None
        place = where or (f"rule {named}" if isinstance(named, str) and text_flaw(named) is None else "")
        raise MillraceError(
            f"The rule cannot be used: {_said(str(error), data)}", where=place, mend=MEND
        ) from None


_UNKNOWN: Final = re.compile(
    r"Object contains unknown field `(?P<key>.*?)`(?: - at `\$(?P<place>.*?)`)?", re.DOTALL
)
_PART: Final = re.compile(r"\.(?P<key>[^.\[]+)|\[(?P<position>\d+)\]|\[(?P<any>\.\.\.)\]")


def _said(error: str, data: Any) -> str:
    if "$.when.kind" in error or "missing required field `kind`" in error:
        given = data["when"].get("kind")
        meant = did_you_mean(given, kinds()) if isinstance(given, str) else ""
        return f"{error}{meant}; kinds are {', '.join(kinds())}"
    unknown = _UNKNOWN.fullmatch(error)
    if unknown is None:
        return error
    parts = [
        int(part["position"]) if part["position"] else part["key"] or part["any"]
        for part in _PART.finditer(unknown["place"] or "")
    ]
    wrong = unknown_key([*parts, unknown["key"]], keys_at(rule_schema(), parts, data))
    return f"{wrong.place}: {wrong.what}" + (f" ({wrong.accepted})" if wrong.accepted else "")


@cache
def rule_schema() -> Anything:
    """Return the JSON Schema of a rule."""
    return msgspec.json.schema(Rule)


def rule_data(rule: Rule) -> Anything:
    """Return a rule as plain values, without what is default: what `parse_rule` reads."""
    data: Anything = msgspec.json.decode(msgspec.json.encode(rule))
    return data


def condition_for(rule: Rule, device_id: str) -> Condition:
    """Return what is judged on a device: the rule's condition with the device's override.

    Raises msgspec.ValidationError when the override does not fit, which a parsed rule's always does.
    """
    override = rule.overrides.get(device_id)
    if not override:
        return rule.when
    return msgspec.convert(msgspec.to_builtins(rule.when) | override, type(rule.when))


def _check_levels(severity: Severity, when: Condition, levels: tuple[Level, ...]) -> None:
    if not levels:
        return
    if not isinstance(when, Threshold):
        raise ValueError("levels belong to thresholds")  # noqa: TRY004 - msgspec adds the place to it
    above = when.raise_above is not None
    limits = [level.raise_above if above else level.raise_below for level in levels]
    if any(limit is None for limit in limits):
        raise ValueError(f"levels must have {'raise_above' if above else 'raise_below'}, as the rule")
    if any((level.raise_below if above else level.raise_above) is not None for level in levels):
        raise ValueError("a level has one limit, in the rule's direction")
    outward = [when.raise_above if above else when.raise_below, *limits]
    if sorted(outward, reverse=not above) != outward or len(set(outward)) < len(outward):  # type: ignore[type-var]
        raise ValueError("levels must go outward from the rule's limit")
    ranks = [SEVERITIES.index(one) for one in (severity, *(level.severity for level in levels))]
    if sorted(set(ranks)) != ranks:
        raise ValueError("levels must grow in severity from the rule's own")
