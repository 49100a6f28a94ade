"""What happened, in a sentence: one for each kind of rule, from the evidence of an alert."""

from collections.abc import Callable, Mapping
from typing import Any

from udfs.notify.quantities import duration, figure

Fields = Mapping[str, Any]


def sentence(when: Fields | None, evidence: Fields) -> str:
    """Return what happened; of a kind without words of its own, the evidence itself."""
    rule = when or {}
    words = _WORDS.get(str(rule.get("kind")), _evidence)
    try:
        return words(rule, evidence)
    except KeyError:
        return _evidence(rule, evidence)


def metric_of(when: Fields | None, evidence: Fields) -> str | None:
    """Return the metric an alert is about, if it is about one."""
    named = evidence.get("metric") or (when or {}).get("metric")
    return str(named) if named else None


def _threshold(rule: Fields, evidence: Fields) -> str:
    side = "above" if rule.get("raise_above") is not None else "below"
    lasting = f", for at least {duration(rule['for_s'])}" if rule.get("for_s") else ""
    value, limit = figure(evidence["value"]), figure(evidence["limit"])
    return f"{evidence['metric']} is {value}, {side} the limit of {limit}{lasting}"


def _count(rule: Fields, evidence: Fields) -> str:
    side = "above" if rule.get("above") is not None else "below"
    times = float(evidence["times"])
    often = f"{'once' if times == 1 else f'{figure(times)} times'} within {duration(evidence['within_s'])}"
    newest = f"; the newest is {figure(evidence['value'])}" if "value" in evidence else ""
    return f"{evidence['metric']} was {side} {figure(evidence['limit'])} {often}{newest}"


def _rate(_rule: Fields, evidence: Fields) -> str:
    per = duration(evidence["per_s"])
    went = f"from {figure(evidence['before'])} to {figure(evidence['value'])}"
    rates = f"{figure(evidence['rate'])} per {per}, the limit is {figure(evidence['limit'])}"
    return f"{evidence['metric']} went {went}: {rates}"


def _absence(_rule: Fields, evidence: Fields) -> str:
    metric = f" of {evidence['metric']}" if evidence.get("metric") else ""
    return f"no reading{metric} for {duration(evidence['after_s'])}"


def _deviation(_rule: Fields, evidence: Fields) -> str:
    usual = f"usually {figure(evidence['median'])} at this time"
    scores = f"robust z-score {figure(evidence['z'])}, the limit is {figure(evidence['limit'])}"
    return f"{evidence['metric']} is {figure(evidence['value'])}, {usual} ({scores})"


def _forecast(rule: Fields, evidence: Fields) -> str:
    side = "above" if rule.get("will_cross_above") is not None else "below"
    expected = f"expected at {figure(evidence['expected'])} in {duration(evidence['within_s'])}"
    limit = figure(evidence["limit"])
    return f"{evidence['metric']} is {figure(evidence['value'])} and {expected}, {side} the limit of {limit}"


def _geofence(_rule: Fields, evidence: Fields) -> str:
    did = {"enter": "entered the area", "leave": "left the area"}.get(str(evidence["on"]), "is in the area")
    return f"{did}, at {_degrees(evidence['lat'])}, {_degrees(evidence['lon'])}"


def _sequence(_rule: Fields, evidence: Fields) -> str:
    return f"{evidence['steps']} came one after the other within {duration(evidence['took_s'])}"


def _evidence(_rule: Fields, evidence: Fields) -> str:
    told = ", ".join(f"{name} {figure(value)}" for name, value in evidence.items())
    return told or "the rule's condition holds"


def _degrees(value: Any) -> str:
    return f"{float(value):.5f}"


_WORDS: Mapping[str, Callable[[Fields, Fields], str]] = {
    "threshold": _threshold,
    "count_in_window": _count,
    "rate_of_change": _rate,
    "absence": _absence,
    "deviation": _deviation,
    "forecast": _forecast,
    "geofence": _geofence,
    "sequence": _sequence,
}
