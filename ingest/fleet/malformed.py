"""Messages a broken device sends; each kind ends as a dead letter with its own reason."""

import json

from ingest.replay.message import Message

# Each is one JSON document, so that it can travel in a batch with good readings.
_KINDS: tuple[tuple[str, str], ...] = (
    ("unknown_metric_type", '{"event_id":%s,"event_time":%d,"metrics":{"temperature_c":"warm"}}'),
    ("not_finite", '{"event_id":%s,"event_time":%d,"metrics":{"temperature_c":NaN}}'),
    ("empty_metrics", '{"event_id":%s,"event_time":%d,"metrics":{}}'),
    ("future_event_time", '{"event_id":%s,"event_time":%d,"metrics":{"temperature_c":20.0}}'),
    ("unknown_field", '{"event_id":%s,"event_time":%d,"metrics":{"temperature_c":20.0},"colour":"red"}'),
)
_AHEAD_MS = 3_600_000


def malformed(number: int, device_id: str, time_ms: int, *, name_device: bool) -> Message:
    """Return the `number`-th malformed message of a device; the kinds come in turn."""
    reason, template = _KINDS[number % len(_KINDS)]
    said_ms = time_ms + (_AHEAD_MS if reason == "future_event_time" else 0)
    text = template % (json.dumps(f"{device_id}-bad-{time_ms}"), said_ms)
    if name_device:
        text = f'{{"device_id":{json.dumps(device_id)},{text[1:]}'
    return Message(device_id, time_ms, text.encode())


def reasons() -> list[str]:
    """Return the reason codes of the kinds, in turn."""
    return [reason for reason, _ in _KINDS]
