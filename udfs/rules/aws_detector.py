"""The parts of an AWS IoT Events detector model that the importer looks at, whatever wrote its JSON."""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from udfs.rules.aws_expression import Always, Atom, Timeout, alternatives

_OWN_ACTIONS: Final = frozenset({"setVariable", "setTimer", "clearTimer", "resetTimer"})


class Transition(NamedTuple):
    """A way from one state to another."""

    name: str
    source: str
    target: str
    when: tuple[tuple[Atom, ...], ...]
    condition: str


class Detector(NamedTuple):
    """A detector model: states, transitions, actions that leave the model, what was unreadable."""

    name: str
    initial: str
    states: dict[str, dict[str, Any]]
    transitions: list[Transition]
    actions: list[str]
    problems: list[str]


def camel(value: Any) -> Any:
    """Return JSON with keys as the service's API writes them; CloudFormation capitalises them."""
    if isinstance(value, dict):
        return {key[:1].lower() + key[1:]: camel(one) for key, one in value.items()}
    return [camel(one) for one in value] if isinstance(value, list) else value


def read_detector(model: dict[str, Any], name: str) -> Detector:
    """Read a detector model's definition; conditions that cannot be read become problems."""
    states = {str(state["stateName"]): state for state in model.get("states", [])}
    constants, problems = _constants(states), []
    transitions = []
    for source, state in states.items():
        for event in _part(state, "onInput").get("transitionEvents", []):
            condition = str(event.get("condition", ""))
            try:
                when = tuple(alternatives(condition, constants))
            except ValueError as error:
                problems.append(f"state {source}, transition {event.get('eventName', '')}: {error}")
                continue
            transitions.append(
                Transition(event.get("eventName", ""), source, str(event["nextState"]), when, condition)
            )
    outward = {kind for event in _events(states) for kind in _kinds(event) if kind not in _OWN_ACTIONS}
    initial = str(model.get("initialStateName", next(iter(states), "")))
    return Detector(name, initial, states, transitions, sorted(outward), problems)


def rest_of(detector: Detector) -> str:
    """Return the state in which a detector waits: the initial one, or where that leads at once."""
    state, seen = detector.initial, set[str]()
    while state not in seen:
        seen.add(state)
        onward = [one.target for one in leaving(detector, state) if one.when == ((Always(),),)]
        if len(onward) != 1:
            break
        state = onward[0]
    return state


def leaving(detector: Detector, state: str) -> Iterator[Transition]:
    """Yield the transitions from a state to others."""
    for transition in detector.transitions:
        if transition.source == state != transition.target:
            yield transition


def debounced(detector: Detector, state: str, rest: str, used: set[Transition]) -> tuple[str, float | None]:
    """Return the alarm state behind a state that only waits for a timer, and the wait in s; else the state.

    Transitions that belong to the wait are added to `used`.
    """
    started = timers(detector, state)
    for onward in leaving(detector, state):
        for conjunction in onward.when:
            timeout = next((atom for atom in conjunction if isinstance(atom, Timeout)), None)
            if timeout is not None and timeout.timer in started and onward.target != rest:
                used.update(one for one in leaving(detector, state) if one.target == rest)
                used.add(onward)
                return onward.target, started[timeout.timer]
    return state, None


def timers(detector: Detector, state: str, *, restarted: bool = False) -> dict[str, float]:
    """Return the timers (s) that start on the way into a state, or that its inputs start anew."""
    found: dict[str, float] = {}
    for event in _restarting(detector, state) if restarted else _entering(detector, state):
        for action in event.get("actions", []):
            timer = action.get("setTimer") or (action.get("resetTimer") if restarted else None)
            if timer and (seconds := _seconds(timer)) is not None:
                found[str(timer["timerName"])] = seconds
    return found


def _entering(detector: Detector, state: str) -> Iterator[dict[str, Any]]:
    yield from _part(detector.states.get(state, {}), "onEnter").get("events", [])
    for other in detector.states.values():
        for event in _part(other, "onInput").get("transitionEvents", []):
            if event.get("nextState") == state:
                yield event


def _restarting(detector: Detector, state: str) -> Iterator[dict[str, Any]]:
    yield from _part(detector.states.get(state, {}), "onInput").get("events", [])


def _seconds(timer: dict[str, Any]) -> float | None:
    written = timer.get("seconds", timer.get("durationExpression", 0))
    try:
        return float(written)
    except ValueError:
        return None


def counters(detector: Detector) -> set[str]:
    """Return variables whose value changes as inputs come."""
    return {name for name, values in _assigned(detector.states).items() if not _is_constant(values)}


def input_events(detector: Detector) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the events of inputs that change no state, with their state."""
    for name, state in detector.states.items():
        for event in _part(state, "onInput").get("events", []):
            if any(kind not in _OWN_ACTIONS for kind in _kinds(event)):
                yield name, event


def constants(detector: Detector) -> dict[str, float]:
    """Return variables that have one number as their value everywhere."""
    return _constants(detector.states)


def _constants(states: dict[str, dict[str, Any]]) -> dict[str, float]:
    return {name: float(values[0]) for name, values in _assigned(states).items() if _is_constant(values)}


def _is_constant(values: list[str]) -> bool:
    try:
        return len({float(value) for value in values}) == 1
    except ValueError:
        return False


def _assigned(states: dict[str, dict[str, Any]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for event in _events(states):
        for action in event.get("actions", []):
            if variable := action.get("setVariable"):
                found.setdefault(str(variable["variableName"]), []).append(str(variable["value"]))
    return found


def _events(states: dict[str, dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for state in states.values():
        for part in ("onEnter", "onInput", "onExit"):
            yield from _part(state, part).get("events", [])
            yield from _part(state, part).get("transitionEvents", [])


def _kinds(event: dict[str, Any]) -> Iterator[str]:
    for action in event.get("actions", []):
        yield from action


def _part(state: dict[str, Any], name: str) -> dict[str, Any]:
    return state.get(name) or {}
