"""Says why one element is no reading: the slow, exact counterpart of the typed decoder."""

import math
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple, TypeGuard

from ingest.gateway import edge
from ingest.gateway.reasons import Reason
from ingest.gateway.split import lenient


class Fault(NamedTuple):
    """A reason and where in the element it lies."""

    reason: Reason
    detail: str


class Refused(Exception):  # noqa: N818 - bad input is an ordinary answer here, not an error
    """Ends the reading of an element; `fault` says why."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault)
        self.fault = fault


def diagnose(element: bytes, why: str) -> Fault:
    """Return the first fault of an element the typed decoder refused; `why` is that decoder's word."""
    try:
        value = lenient.decode(element.decode())
    except UnicodeDecodeError as error:
        return Fault(Reason.NOT_UTF8, f"byte {error.start}: {error.reason}")
    except RecursionError:
        return Fault(Reason.MALFORMED_JSON, "nested too deep")
    except ValueError as error:
        return Fault(Reason.MALFORMED_JSON, str(error))
    if not isinstance(value, dict):
        return Fault(Reason.NOT_A_READING, f"found {_kind(value)}")
    return next(_faults(value), Fault(Reason.MALFORMED_JSON, why))


def _faults(value: dict[str, Any]) -> Iterator[Fault]:
    yield from _unknown_fields(value)
    yield from _identity(value)
    yield from _event_time(value)
    yield from _metrics(value)
    yield from _location(value.get("location"))
    yield from _attributes(value.get("attributes"))
    yield from _on_conflict(value.get("on_conflict"))


def _unknown_fields(value: dict[str, Any]) -> Iterator[Fault]:
    for name in value:
        if name not in edge.FIELDS:
            yield Fault(Reason.UNKNOWN_FIELD, _short(name))


def _identity(value: dict[str, Any]) -> Iterator[Fault]:
    device_id, event_id = value.get("device_id"), value.get("event_id")
    if device_id is not None and not (isinstance(device_id, str) and edge.ID.match(device_id)):
        yield Fault(Reason.BAD_DEVICE_ID, _short(device_id))
    if event_id is not None and not (isinstance(event_id, str) and edge.EVENT_ID.match(event_id)):
        yield Fault(Reason.BAD_EVENT_ID, _short(event_id))


def _event_time(value: dict[str, Any]) -> Iterator[Fault]:
    time, seconds = value.get("event_time"), value.get("event_time_s")
    if not (time is None or isinstance(time, str) or _is_finite(time)):
        yield Fault(Reason.BAD_EVENT_TIME, _short(time))
    if not (seconds is None or _is_finite(seconds)):
        yield Fault(Reason.BAD_EVENT_TIME, f"event_time_s: {_short(seconds)}")


def _metrics(value: dict[str, Any]) -> Iterator[Fault]:
    metrics = value.get("metrics")
    if not isinstance(metrics, dict):
        yield Fault(Reason.MISSING_METRICS, f"found {_kind(metrics)}" if "metrics" in value else "absent")
        return
    if not metrics:
        yield Fault(Reason.EMPTY_METRICS, "no metric")
    if len(metrics) > edge.MAX_METRICS:
        yield Fault(Reason.TOO_MANY_METRICS, f"{len(metrics)} metrics, {edge.MAX_METRICS} allowed")
    for name, number in metrics.items():
        yield from _metric(name, number)


def _metric(name: str, number: Any) -> Iterator[Fault]:
    if not edge.METRIC_NAME.match(name):
        yield Fault(Reason.BAD_METRIC_NAME, _short(name))
    if not _is_number(number):
        yield Fault(Reason.UNKNOWN_METRIC_TYPE, f"{_short(name)}: {_kind(number)}")
    elif not math.isfinite(number):
        yield Fault(Reason.NOT_FINITE, f"{_short(name)}: {number}")


def _location(value: Any) -> Iterator[Fault]:
    if value is None:
        return
    if not isinstance(value, dict):
        yield Fault(Reason.BAD_LOCATION, f"found {_kind(value)}")
        return
    for name in value.keys() - edge.LOCATION_FIELDS:
        yield Fault(Reason.BAD_LOCATION, f"unknown field {_short(name)}")
    for name, limit in (("lat", 90.0), ("lon", 180.0), ("alt_m", sys.float_info.max)):
        number = value.get(name)
        optional = name == "alt_m" and number is None
        if not optional and not (_is_number(number) and -limit <= number <= limit):
            yield Fault(Reason.BAD_LOCATION, f"{name}: {_short(number)}")


def _attributes(value: Any) -> Iterator[Fault]:
    if value is None:
        return
    if not isinstance(value, dict) or len(value) > edge.MAX_ATTRIBUTES:
        yield Fault(Reason.BAD_ATTRIBUTES, f"found {_kind(value)}, up to {edge.MAX_ATTRIBUTES} texts allowed")
        return
    for name, text in value.items():
        if not isinstance(text, str) or max(len(name), len(text)) > edge.MAX_TEXT_CHARS:
            yield Fault(Reason.BAD_ATTRIBUTES, f"{_short(name)}: {_kind(text)}")


def _on_conflict(value: Any) -> Iterator[Fault]:
    if value is not None and value not in edge.ON_CONFLICT:
        allowed = ", ".join(edge.ON_CONFLICT)
        yield Fault(Reason.UNKNOWN_FIELD, f"on_conflict: {_short(value)} is none of {allowed}")


def _is_number(value: Any) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_finite(value: Any) -> bool:
    return _is_number(value) and math.isfinite(value)


def _kind(value: Any) -> str:
    if isinstance(value, dict):
        return f"object of {len(value)}"
    if isinstance(value, list):
        return f"array of {len(value)}"
    return "null" if value is None else type(value).__name__


def _short(value: Any) -> str:
    return repr(value)[:80].encode("utf-8", "backslashreplace").decode()
