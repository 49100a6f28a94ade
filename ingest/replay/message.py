"""A record as the device would have sent it: the edge format, by the chosen time transform."""

from collections.abc import Callable

import msgspec

from ingest.replay.rows import Record
from ingest.replay.timeline import TimeTransform
from millrace.reading import DECLARED, Location


class Body(msgspec.Struct, frozen=True, omit_defaults=True):
    """The JSON of one reading; without an event id the gateway makes one from the content.

    `device_id` stays out where the address names it.
    """

    event_time: int
    metrics: dict[str, float]
    event_id: str | None = None
    device_id: str | None = None
    location: Location | None = None
    attributes: dict[str, str] | None = None
    on_conflict: str | None = None


class Message(msgspec.Struct, frozen=True):
    """What a sender gets: the device, when it was measured (UTC epoch milliseconds), the payload."""

    device_id: str
    event_time: int
    payload: bytes


def message_maker(
    time: TimeTransform, prefix: str, *, name_device: bool, on_conflict: str = "both"
) -> Callable[[Record], Message]:
    """Return a function that turns records into messages; what they say is all that tells them apart."""
    # Compressed, several rows may fall on one time: none of them corrects another.
    declared = on_conflict if on_conflict in DECLARED and time.compress == 1 else None
    encode = msgspec.json.Encoder().encode

    def make(record: Record) -> Message:
        device_id, event_time = prefix + record.device_id, time.at(record.time_ms)
        body = Body(
            event_time=event_time,
            metrics=record.metrics,
            device_id=device_id if name_device else None,
            location=record.location,
            attributes=record.attributes,
            on_conflict=declared,
        )
        return Message(device_id, event_time, encode(body))

    return make
