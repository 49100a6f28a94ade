"""The edge format: JSON as devices send it, its limits and its typed decoders."""

import re
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

MAX_PAYLOAD_BYTES = 256 * 1024
MAX_METRICS = 256
MAX_ATTRIBUTES = 64
MAX_TEXT_CHARS = 1024
MAX_EVENT_ID_CHARS = 128

_ID = r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}\Z"
_METRIC_NAME = r"^[A-Za-z][A-Za-z0-9_.:-]{0,63}\Z"
_EVENT_ID = r"^[^\x00-\x1f\x7f]{1,128}\Z"
ID = re.compile(_ID)
METRIC_NAME = re.compile(_METRIC_NAME)
EVENT_ID = re.compile(_EVENT_ID)

# What becomes of a reading whose device has another value for the same time and metric already.
OnConflict = Literal["keep", "replace", "both"]
ON_CONFLICT: Final = ("keep", "replace", "both")

MetricName = Annotated[str, Meta(pattern=_METRIC_NAME)]
Metrics = Annotated[dict[MetricName, float], Meta(min_length=1, max_length=MAX_METRICS)]
Text = Annotated[str, Meta(max_length=MAX_TEXT_CHARS)]
Attributes = Annotated[dict[Text, Text], Meta(max_length=MAX_ATTRIBUTES)]


class EdgeLocation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A position as a device sends it; degrees and metres."""

    lat: Annotated[float, Meta(ge=-90, le=90)]
    lon: Annotated[float, Meta(ge=-180, le=180)]
    alt_m: float | None = None


class EdgeReading(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One reading as a device sends it: `event_time` in epoch milliseconds or as text, or `event_time_s`.

    `on_conflict` says what counts when the device has another value for the same time and metric; by default
    both do.
    """

    metrics: Metrics
    device_id: Annotated[str, Meta(pattern=_ID)] | None = None
    event_id: Annotated[str, Meta(pattern=_EVENT_ID)] | None = None
    event_time: int | float | str | None = None
    event_time_s: int | float | None = None
    location: EdgeLocation | None = None
    attributes: Attributes | None = None
    on_conflict: OnConflict | None = None


FIELDS = frozenset(EdgeReading.__struct_fields__)
LOCATION_FIELDS = frozenset(EdgeLocation.__struct_fields__)

_payload_decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(EdgeReading | list[EdgeReading])
_element_decoder: msgspec.json.Decoder[EdgeReading] = msgspec.json.Decoder(EdgeReading)


def decode_payload(payload: bytes) -> EdgeReading | list[EdgeReading]:
    """Decode a whole payload; raise msgspec.DecodeError, UnicodeDecodeError or RecursionError."""
    decoded: EdgeReading | list[EdgeReading] = _payload_decoder.decode(payload)
    return decoded


def decode_element(element: bytes) -> EdgeReading:
    """Decode one reading; raises what `decode_payload` raises."""
    return _element_decoder.decode(element)
