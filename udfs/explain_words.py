"""An explanation in sentences, each of which stands alone."""

from collections.abc import Collection, Mapping, Sequence
from math import isinf
from typing import Any, Final, NamedTuple

from millrace.phrases import counted
from udfs.explain import Departure
from udfs.notify.quantities import duration, figure
from udfs.notify.sentences import sentence

_NAMED: Final = 3


class Ending(NamedTuple):
    """How an alert ended, `cause` as PostgreSQL says it (None = it lasts), and how long it took, seconds."""

    cause: str | None
    by: str | None
    lasted_s: float | None


def condition_on(definition: Mapping[str, Any] | None, device_id: str) -> dict[str, Any] | None:
    """Return a rule's condition as it is judged on a device; None of a rule nobody has."""
    if definition is None:
        return None
    override: dict[str, Any] = definition.get("overrides", {}).get(device_id, {})
    return {**definition["when"], **override}


def what_happened(definition: Mapping[str, Any] | None, device_id: str, evidence: Mapping[str, Any]) -> str:
    """Return the alert's evidence in words."""
    return sentence(condition_on(definition, device_id), evidence)


def ended(ending: Ending) -> str:
    """Return how an alert ended and after how long."""
    after = "" if ending.lasted_s is None else f" after {duration(ending.lasted_s)}"
    match ending.cause:
        case "stream":
            return f"cleared by itself{after}"
        case "rule":
            return f"ended with its rule{after}"
        case "person":
            return f"cleared by {ending.by}{after}"
    return "still lasts"


def departed(one: Departure) -> str:
    """Return a departure in words."""
    if isinf(one.z):
        return f"{one.metric} is {figure(one.value)}, it was {figure(one.usual)} all the time before"
    return f"{one.metric} is {figure(one.value)}, usually {figure(one.usual)} (robust z-score {one.z:.1f})"


def device_said(found: Sequence[Departure], before_h: int) -> str | None:
    """Return what stands out on the device, compared with so many hours before; None without anything."""
    remarkable = [one for one in found if one.remarkable]
    if not found:
        return None
    against = f"compared with the {'hour' if before_h == 1 else f'{before_h} hours'} before"
    if not remarkable:
        return f"No metric of the device stands out, {against}."
    return f"What stands out on the device, {against}: {'; '.join(map(departed, remarkable[:_NAMED]))}."


def neighbours_said(site: str, metric: str, judged: int, departing: Collection[str]) -> str | None:
    """Return which of the site's other devices depart in the metric too; None when none could be judged."""
    if not judged:
        return None
    others = f"{counted(judged, 'other device')} of {site}"
    if not departing:
        return f"Of {others} none departs in {metric}."
    named = ", ".join(sorted(departing)[:_NAMED])
    more = len(departing) - _NAMED
    names = f"{named} and {more} more" if more > 0 else named
    verb = "departs" if len(departing) == 1 else "depart"
    return f"Of {others} {len(departing)} {verb} in {metric} too: {names}."


def past_said(device_id: str, earlier: Sequence[tuple[str, Ending]]) -> str:
    """Return what is known of earlier alerts, given as device and ending, the most alike first."""
    if not earlier:
        return "The rule raised no alert before on this device or its site."
    device, ending = earlier[0]
    whom = "this device" if device == device_id else device
    return f"The rule's last alert on {whom} {ended(ending)}."
