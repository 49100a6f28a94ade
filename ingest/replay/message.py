"""A record as the device would have sent it: the edge format, by the chosen time transform."""

from collections.abc import Callable

import msgspec

from ingest.replay.rows import Record
from ingest.replay.timeline import TimeTransform
from millrace.reading import Location


class Body(msgspec.Struct, frozen=True, omit_defaults=True):
    """The JSON of one reading; `device_id` stays out where the address names it."""

    event_id: str
    event_time: int
    metrics: dict[str, float]
    device_id: str | None = None
    location: Location | None = None
    attributes: dict[str, str] | None = None


class Message(msgspec.Struct, frozen=True):
    """What a sender gets: the device, when it was measured (UTC epoch milliseconds), the payload."""

    device_id: str
    event_time: int
    payload: bytes


def message_maker(time: TimeTransform, prefix: str, *, name_device: bool) -> Callable[[Record], Message]:
    """Return a function that turns records into messages; ids differ from those of other transforms."""
    tag = f"~{time.tag}" if time.tag else ""
    encode = msgspec.json.Encoder().encode

    def make(record: Record) -> Message:
        device_id, event_time = prefix + record.device_id, time.at(record.time_ms)
        body = Body(
            event_id=f"{record.label}:{record.row}{tag}",
            event_time=event_time,
            metrics=record.metrics,
            device_id=device_id if name_device else None,
            location=record.location,
            attributes=record.attributes,
        )
        return Message(device_id, event_time, encode(body))

    return make
