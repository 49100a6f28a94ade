"""Two dozen ways a device gets a message wrong over MQTT, each with the reason the gateway must give.

The reasons MQTT cannot bring about are left out: the address always names a device, no payload says
gzip, and the broker's access rules refuse other topics.
"""

import json
from collections.abc import Callable
from typing import Any, NamedTuple

_LARGEST_PAYLOAD_BYTES = 256 * 1024
_MOST_METRICS = 256
_YEAR_2100_MS = 4_102_444_800_000
_YEAR_1970_MS = 5_000
_2026_S = 1_767_225_600


_ZONE = "[Europe/Berlin]"


class Kind(NamedTuple):
    """One way to be wrong; `name` differs from `reason` where a reason has several."""

    name: str
    reason: str
    spoil: Callable[[dict[str, Any]], bytes]


def _with(**changes: Any) -> Callable[[dict[str, Any]], bytes]:
    return lambda body: json.dumps(body | changes).encode()


def _without(field: str) -> Callable[[dict[str, Any]], bytes]:
    return lambda body: json.dumps({name: value for name, value in body.items() if name != field}).encode()


def _metrics(**metrics: Any) -> Callable[[dict[str, Any]], bytes]:
    # json.dumps writes NaN and Infinity as devices in C do.
    return lambda body: json.dumps(body | {"metrics": body["metrics"] | metrics}).encode()


def _cut_off(body: dict[str, Any]) -> bytes:
    return json.dumps(body).encode()[:-1]


def _latin_1(body: dict[str, Any]) -> bytes:
    return json.dumps(body | {"attributes": {"note": "°"}}, ensure_ascii=False).encode("latin-1")


def _only_the_name(body: dict[str, Any]) -> bytes:
    return json.dumps(body["event_id"]).encode()


def _crowded(body: dict[str, Any]) -> bytes:
    metrics = {f"m{number}": float(number) for number in range(_MOST_METRICS + 1)}
    return json.dumps(body | {"metrics": metrics}).encode()


def _bloated(body: dict[str, Any]) -> bytes:
    return json.dumps(body).encode().ljust(_LARGEST_PAYLOAD_BYTES + 1)


def _huge_number(body: dict[str, Any]) -> bytes:
    return json.dumps(body | {"metrics": {"rain_mm": 0}}).replace('"rain_mm": 0', '"rain_mm": 1e999').encode()


KINDS: tuple[Kind, ...] = (
    Kind("malformed_json", "malformed_json", _cut_off),
    Kind("not_utf8", "not_utf8", _latin_1),
    Kind("not_a_reading", "not_a_reading", _only_the_name),
    Kind("empty_batch", "empty_batch", lambda _: b"[ ]"),
    Kind("unknown_field", "unknown_field", _with(colour="red")),
    Kind("missing_metrics", "missing_metrics", _without("metrics")),
    Kind("empty_metrics", "empty_metrics", _with(metrics={})),
    Kind("too_many_metrics", "too_many_metrics", _crowded),
    Kind("bad_metric_name", "bad_metric_name", _metrics(**{"wind speed": 3.0})),
    Kind("unknown_metric_type", "unknown_metric_type", _metrics(temperature_c="warm")),
    Kind("not_finite", "not_finite", _metrics(temperature_c=float("nan"))),
    Kind("not_finite--too-large", "not_finite", _huge_number),
    Kind("bad_event_time", "bad_event_time", _with(event_time=_YEAR_1970_MS)),
    Kind("event_time_in_seconds", "event_time_in_seconds", _with(event_time=_2026_S)),
    Kind("event_time_in_microseconds", "event_time_in_microseconds", _with(event_time=_2026_S * 1_000_000)),
    Kind("event_time_in_nanoseconds", "event_time_in_nanoseconds", _with(event_time=_2026_S * 1_000_000_000)),
    Kind("local_event_time", "local_event_time", _with(event_time="2026-01-01T00:00:00")),
    Kind("ambiguous_event_time", "ambiguous_event_time", _with(event_time=f"2025-10-26T02:30:00{_ZONE}")),
    Kind("skipped_event_time", "skipped_event_time", _with(event_time=f"2025-03-30T02:30:00{_ZONE}")),
    Kind("future_event_time", "future_event_time", _with(event_time=_YEAR_2100_MS)),
    Kind("bad_event_id", "bad_event_id", lambda body: _with(event_id=body["event_id"] + "\n")(body)),
    Kind("bad_device_id", "bad_device_id", _with(device_id="no/such device")),
    Kind("device_mismatch", "device_mismatch", _with(device_id="somebody-else")),
    Kind("bad_location", "bad_location", _with(location={"lat": 139.9, "lon": 116.4})),
    Kind("bad_attributes", "bad_attributes", _with(attributes=["NW"])),
    Kind("oversize", "oversize", _bloated),
)
