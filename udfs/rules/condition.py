"""What every kind of condition has in common: its form in a rule, its detector, its memory of a device.

A kind is one file in `udfs/rules/kinds`: a Condition (what a rule may say), a Memory (what is kept for each
device) and a Detector (judges readings). Detectors say when the condition begins and ends; schedules,
severities and alert ids are the evaluator's.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from copy import copy
from typing import Annotated, Any, ClassVar, Final, Literal, NamedTuple, Self

import msgspec

from udfs.rules.reading import RuleReading

Metric = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z][A-Za-z0-9_.:-]{0,63}\Z")]
Seconds = Annotated[float, msgspec.Meta(ge=0.001, le=366 * 86_400)]
Severity = Literal["info", "warning", "critical"]
SEVERITIES: Final[tuple[Severity, ...]] = ("info", "warning", "critical")
Evidence = dict[str, float | str]
Example = Mapping[str, Any]


class Level(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A further severity of a threshold's alert while it is open; clears at the limit or at `clear_...`."""

    severity: Severity
    raise_above: float | None = None
    raise_below: float | None = None
    clear_below: float | None = None
    clear_above: float | None = None


class Signal(NamedTuple):
    """What a detector found: the condition began, ended, or is of another level now; times are event times.

    `onset_ms` counts only where it begins. Level 0 is the rule's severity, n that of its n-th level.
    """

    what: Literal["begins", "ends", "level"]
    onset_ms: int
    at_ms: int
    evidence: Evidence
    level: int = 0


Signals = Sequence[Signal]
NOTHING: Final[tuple[Signal, ...]] = ()


class Memory(msgspec.Struct, array_like=True):
    """What a detector keeps of a device; subclasses add fields with defaults, later ones at the end.

    `since_ms` is the onset of the condition as begun, None while it has not. It stays the only field here.
    """

    since_ms: int | None = None

    def clone(self) -> Self:
        """Return an independent copy; fields hold values that are replaced, never changed in place."""
        return copy(self)


class Detector(ABC):
    """Judges one device by one condition; all state is in the memory it is given and changes in place."""

    # Told only at the watermark: a reading out of order may make it untrue.
    waits: ClassVar[bool] = False
    # Metrics without which a reading says nothing to it; empty: every reading counts.
    metrics: tuple[str, ...] = ()
    # Looks at positions: readings without one say nothing to it.
    located: bool = False
    # Its metric is a counter of the device: a value below the one before is a reset.
    is_counter: bool = False

    @abstractmethod
    def initial(self) -> Memory:
        """Return the memory of a device that sent nothing."""

    @abstractmethod
    def step(self, memory: Any, reading: RuleReading) -> Signals:
        """Take the next reading in event time; one that says nothing to it changes nothing."""

    def expire(self, memory: Any, before_ms: int) -> Signals:
        """Tell what event time alone brought about before `before_ms`."""
        return NOTHING

    def begin(self, memory: Any, at_ms: int) -> bool:
        """Count silence of a device that sent nothing from a moment on; False when none is counted."""
        return False

    def stop(self, memory: Any) -> bool:
        """Stop counting silence that `begin` began, unless it is told already; False when none was."""
        return False

    def deadline_ms(self, memory: Any) -> int | None:
        """Return when event time alone will bring something about, or None."""
        return None


class Condition(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    tag_field="kind",
    forbid_unknown_fields=True,
    omit_defaults=True,
):
    """What a rule waits for; each kind is a subclass tagged with its name."""

    # Fields that may change while the memory stays valid.
    judged_only: ClassVar[frozenset[str]] = frozenset()
    # The kind as people write it, for whoever looks for its form.
    example: ClassVar[Example]

    @abstractmethod
    def detector(self, levels: Sequence[Level]) -> Detector:
        """Return what judges by this condition; only thresholds have levels."""


class Limit:
    """A limit in one direction: `beyond` it, or back `within`; values are turned so that higher is worse."""

    __slots__ = ("_clear", "_raise", "_sign", "clear", "limit")

    def __init__(
        self,
        above: float | None,
        below: float | None,
        clear_below: float | None = None,
        clear_above: float | None = None,
    ) -> None:
        given = above if above is not None else below
        assert given is not None
        clear = clear_below if above is not None else clear_above
        self.limit, self.clear = given, given if clear is None else clear
        self._sign = 1.0 if above is not None else -1.0
        self._raise, self._clear = self._sign * self.limit, self._sign * self.clear

    def beyond(self, value: float) -> bool:
        """Tell whether a value is above (or below) the limit."""
        return self._sign * value > self._raise

    def within(self, value: float) -> bool:
        """Tell whether a value is back at or behind the clearing limit."""
        return self._sign * value <= self._clear


def one_of(names: str, *given: float | None) -> None:
    """Refuse unless exactly one is given.

    Raises ValueError, which msgspec turns into an error with the place in the rule.
    """
    if sum(value is not None for value in given) != 1:
        raise ValueError(f"give exactly one of {names}")


def check_limits(
    above: float | None, below: float | None, clear_below: float | None, clear_above: float | None
) -> None:
    """Refuse limits that contradict each other.

    Raises ValueError.
    """
    one_of("raise_above, raise_below", above, below)
    if (above is None and clear_below is not None) or (below is None and clear_above is not None):
        raise ValueError("raise_above clears with clear_below, raise_below with clear_above")
    if above is not None and clear_below is not None and clear_below > above:
        raise ValueError("clear_below must not be above raise_above")
    if below is not None and clear_above is not None and clear_above < below:
        raise ValueError("clear_above must not be below raise_below")


def ms(seconds: float) -> int:
    """Return seconds as whole milliseconds."""
    return round(seconds * 1000)
