"""AWS IoT Events models as rules, with a report of what could not be translated (the service ended 2026-05).

A detector model is a free state machine; a rule is one condition. Translated is what most models say: from
the state of rest a comparison leads to an alarm state and another one back (threshold with hysteresis), with
a timer state between (duration), with a further state beyond a further limit (level); a timer that every
input restarts (absence); an event that only notifies (threshold). The rest is named, not guessed.
"""

import re
from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any, Final, Literal, NamedTuple

from millrace.errors import MillraceError
from udfs.rules import aws_detector
from udfs.rules.aws_detector import Detector, Transition
from udfs.rules.aws_expression import (
    Always,
    Atom,
    Compare,
    Comparison,
    Other,
    Timeout,
    above_limit,
    alternatives,
    below_limit,
    clear_limit,
)
from udfs.rules.model import Rule, parse_rule

_ONE: Final = "a rule has one condition on one metric"
_COMPARISONS: Final[dict[str, Comparison]] = {
    "GREATER": ">",
    "GREATER_OR_EQUAL": ">=",
    "LESS": "<",
    "LESS_OR_EQUAL": "<=",
    "EQUAL": "==",
    "NOT_EQUAL": "!=",
}


class Note(NamedTuple):
    """What became of a part of a model: it `differs` as a rule, or was `left out`."""

    kind: Literal["differs", "left out"]
    where: str
    what: str


class Imported(NamedTuple):
    """The rules made of a model, and what to know before enabling them."""

    rules: list[Rule]
    notes: list[Note]


def import_model(
    data: dict[str, Any], metrics: Mapping[str, str] | None = None, state: str = "shadow"
) -> Imported:
    """Translate a detector model or an alarm model, as the API, the CLI or CloudFormation write it.

    `metrics` maps input attributes to metric names. Rules come in `state`. Raises MillraceError for what
    is no model.
    """
    model = aws_detector.camel(data)
    for wrapping in ("properties", "detectorModel", "alarmModel"):
        model = model.get(wrapping, model) if isinstance(model, dict) else {}
    if not isinstance(model, dict):
        raise _unknown()
    settings = model.get("detectorModelConfiguration")
    settings = settings if isinstance(settings, dict) else {}
    name = str(model.get("detectorModelName") or settings.get("detectorModelName") or "detector")
    translation = _Translation(name, metrics or {}, state)
    try:
        if "detectorModelDefinition" in model:
            translation.detector(aws_detector.read_detector(model["detectorModelDefinition"], name))
        elif "alarmRule" in model:
            translation.alarm(model)
        else:
            raise _unknown()
    except (KeyError, TypeError, AttributeError) as error:
        raise MillraceError(
            f"The model cannot be read: {error!r}", where=name, mend="Export it again as JSON."
        ) from None
    return Imported(translation.rules, translation.notes)


def _unknown() -> MillraceError:
    return MillraceError(
        "This is no AWS IoT Events model: it has neither detectorModelDefinition nor alarmRule",
        mend="Give the JSON of describe-detector-model or describe-alarm-model.",
    )


class _Translation:
    def __init__(self, name: str, metrics: Mapping[str, str], state: str) -> None:
        self._model, self._metrics, self._state = name, metrics, state
        self.rules: list[Rule] = []
        self.notes: list[Note] = []

    def alarm(self, model: dict[str, Any]) -> None:
        """Translate an alarm model."""
        self._model = str(model.get("alarmModelName", "alarm"))
        simple = model["alarmRule"]["simpleRule"]
        sign = _COMPARISONS.get(str(simple["comparisonOperator"]), "!=")
        path = str(simple["inputProperty"]).removeprefix("$input.").split(".", 1)[-1].replace("`", "")
        try:
            compare = Compare(path, sign, float(simple["threshold"]))
        except ValueError:
            self._note("left out", "alarmRule", f"the threshold {simple['threshold']} is no number")
            return
        if not self._threshold(compare, "alarmRule"):
            return
        if "severity" in model:
            self._note("differs", "severity", f"{model['severity']} has no meaning of its own: set it")
        if model.get("alarmEventActions") or model.get("alarmNotification"):
            self._note("left out", "actions", "notifications: name channels in `notify`")

    def detector(self, detector: Detector) -> None:
        """Translate a detector model."""
        for problem in detector.problems:
            self._note("left out", "conditions", problem)
        rest = aws_detector.rest_of(detector)
        used: set[Transition] = set()
        for transition in aws_detector.leaving(detector, rest):
            for conjunction in transition.when:
                self._leave(detector, rest, transition, conjunction, used)
        for state, event in aws_detector.input_events(detector):
            self._event(detector, state, event)
        for transition in detector.transitions:
            passing = transition.when == ((Always(),),) and transition.source == detector.initial
            if transition not in used and transition.source != rest and not passing:
                self._note(
                    "left out",
                    f"state {transition.source}, transition {transition.name}",
                    f"{transition.condition or 'always'} to {transition.target}",
                )
        if detector.actions:
            self._note("left out", "actions", f"{', '.join(detector.actions)}: name channels in `notify`")

    def _leave(
        self,
        detector: Detector,
        rest: str,
        transition: Transition,
        conjunction: tuple[Atom, ...],
        used: set[Transition],
    ) -> None:
        where = f"state {rest}, transition {transition.name}"
        if len(conjunction) > 1 or isinstance(conjunction[0], Other | Always):
            said = conjunction[0].text if isinstance(conjunction[0], Other) else transition.condition
            counts = any(name in said for name in aws_detector.counters(detector))
            why = "variables count" if counts else _ONE
            self._note("left out", where, f"{said or 'always'} ({why})")
        elif isinstance(conjunction[0], Timeout):
            self._silence(detector, rest, conjunction[0].timer, transition, where, used)
        else:
            self._rise(detector, rest, conjunction[0], transition, where, used)

    def _silence(
        self,
        detector: Detector,
        rest: str,
        timer: str,
        transition: Transition,
        where: str,
        used: set[Transition],
    ) -> None:
        restarted = aws_detector.timers(detector, rest, restarted=True)
        seconds = aws_detector.timers(detector, rest).get(timer, restarted.get(timer))
        if seconds is None or timer not in restarted:
            self._note("left out", where, f"timer {timer} is not restarted by every input")
            return
        self._add(
            transition.target, {"kind": "absence", "after_s": seconds}, f"Nothing came for {seconds:g} s"
        )
        used.update(one for one in aws_detector.leaving(detector, transition.target) if one.target == rest)

    def _rise(
        self,
        detector: Detector,
        rest: str,
        compare: Compare,
        transition: Transition,
        where: str,
        used: set[Transition],
    ) -> None:
        fields = self._limit(compare, where)
        if fields is None:
            return
        alarm, waited = aws_detector.debounced(detector, transition.target, rest, used)
        if waited is not None:
            fields["for_s"] = waited
            self._note("differs", where, "a timer ends by itself; `for_s` ends with the next reading")
        fields |= self._way_back(detector, alarm, rest, compare, used)
        levels = list(self._beyond(detector, alarm, compare, used))
        self._add(alarm, fields, f"{compare.path} {compare.sign} {compare.number:g}", levels)

    def _way_back(
        self, detector: Detector, alarm: str, rest: str, raised: Compare, used: set[Transition]
    ) -> dict[str, Any]:
        above = above_limit(raised) is not None
        where = f"state {alarm}"
        for back in aws_detector.leaving(detector, alarm):
            if back.target != rest:
                continue
            used.add(back)
            atom = back.when[0][0] if len(back.when) == 1 and len(back.when[0]) == 1 else None
            if isinstance(atom, Compare) and atom.path == raised.path:
                limit = clear_limit(atom, above=above)
                if limit is not None:
                    return {"clear_below" if above else "clear_above": limit}
            self._note("differs", where, f"clears when {back.condition or 'always'}; the rule, at its limit")
            return {}
        self._note("differs", where, f"never goes back to {rest}; the rule clears at its limit")
        return {}

    def _beyond(
        self, detector: Detector, alarm: str, raised: Compare, used: set[Transition]
    ) -> Iterator[dict[str, Any]]:
        for onward in aws_detector.leaving(detector, alarm):
            atom = onward.when[0][0] if len(onward.when) == 1 and len(onward.when[0]) == 1 else None
            if not isinstance(atom, Compare) or atom.path != raised.path or onward in used:
                continue
            higher = above_limit(atom), above_limit(raised)
            lower = below_limit(atom), below_limit(raised)
            if higher[0] is not None and higher[1] is not None and higher[0] > higher[1]:
                limit = {"raise_above": higher[0]}
            elif lower[0] is not None and lower[1] is not None and lower[0] < lower[1]:
                limit = {"raise_below": lower[0]}
            else:
                continue
            used.add(onward)
            used.update(one for one in aws_detector.leaving(detector, onward.target) if one.target == alarm)
            yield {"severity": "critical"} | limit
            return

    def _event(self, detector: Detector, state: str, event: dict[str, Any]) -> None:
        where = f"state {state}, event {event.get('eventName', '')}"
        condition = str(event.get("condition", ""))
        try:
            found = alternatives(condition, aws_detector.constants(detector))
        except ValueError as error:
            self._note("left out", where, str(error))
            return
        for conjunction in found:
            atom = conjunction[0]
            if len(conjunction) > 1 or not isinstance(atom, Compare):
                self._note("left out", where, f"{condition or 'always'} ({_ONE})")
            elif self._threshold(atom, where):
                self._note("differs", where, "acts on every input; the rule's alert is one while it lasts")

    def _threshold(self, compare: Compare, where: str) -> bool:
        fields = self._limit(compare, where)
        if fields is not None:
            self._add("", fields, f"{compare.path} {compare.sign} {compare.number:g}")
        return fields is not None

    def _limit(self, compare: Compare, where: str) -> dict[str, Any] | None:
        above, below = above_limit(compare), below_limit(compare)
        fields: dict[str, Any] = {"kind": "threshold", "metric": self._metric(compare.path)}
        if above is not None:
            return fields | {"raise_above": above}
        if below is not None:
            return fields | {"raise_below": below}
        self._note("left out", where, f"{compare.path} {compare.sign} {compare.number:g}: no limit to cross")
        return None

    def _metric(self, path: str) -> str:
        name = path.rsplit(".", 1)[-1]
        return self._metrics.get(path, self._metrics.get(name, re.sub(r"[^A-Za-z0-9_.:-]", "_", name)))

    def _add(
        self, state: str, when: dict[str, Any], about: str, levels: list[dict[str, Any]] | None = None
    ) -> None:
        slug = re.sub(r"[^a-z0-9]+", "-", f"{self._model}-{state}".lower()).strip("-")[:58]
        names = {rule.rule for rule in self.rules}
        name = next(one for one in _numbered(slug) if one not in names)
        rule: dict[str, Any] = {
            "rule": name,
            "about": f"{about} (AWS IoT Events {self._model})",
            "when": when,
        }
        if levels:
            rule["levels"] = levels
        try:
            self.rules.append(parse_rule(rule | {"state": self._state}))
        except MillraceError as error:
            self._note("left out", name, error.what)

    def _note(self, kind: Literal["differs", "left out"], where: str, what: str) -> None:
        note = Note(kind, where, what)
        if note not in self.notes:
            self.notes.append(note)


def _numbered(name: str) -> Iterator[str]:
    yield name
    yield from (f"{name}-{number}" for number in count(2))
