"""What each reason of a dead letter means, in plain words, and what a person can do about it."""

from typing import NamedTuple


class Advice(NamedTuple):
    """A reason in one sentence, and what to do."""

    meaning: str
    mend: str


_BODY = "Replay it with a corrected body."
_UNKNOWN = Advice("The gateway gave a reason this page does not know.", f"Read `detail`. {_BODY}")
_ADVICE = {
    "malformed_json": Advice(
        "The message is not one JSON document: it breaks off, holds a stray character or two documents.",
        f"Correct the device's encoder; `detail` says where it breaks. {_BODY}",
    ),
    "not_utf8": Advice(
        "The message holds bytes that are not UTF-8 text.",
        f"Let the device send UTF-8; often a degree sign came as Latin-1. {_BODY}",
    ),
    "not_a_reading": Advice(
        "The message is JSON, but not an object or an array of objects.",
        f'Send {{"metrics": {{"name": number}}}}. {_BODY}',
    ),
    "empty_batch": Advice(
        "The message is an array without any reading.", "Nothing is lost; there is nothing to replay."
    ),
    "unknown_field": Advice(
        "The reading has a field the contract does not know.",
        "Replay with the fix `rename` (to `metrics.x` or `attributes.x`) or `remove`.",
    ),
    "missing_metrics": Advice(
        "The reading has no object `metrics`.",
        "Replay with `set` of `metrics` to an object of numbers, or with a corrected body.",
    ),
    "empty_metrics": Advice(
        "`metrics` is there and holds nothing.",
        "Nothing was measured; if it was, replay with `set` of `metrics.x` or a corrected body.",
    ),
    "too_many_metrics": Advice(
        "The reading carries more metrics than one reading may.",
        "Let the device split it; replay a corrected body: an array of smaller readings.",
    ),
    "bad_metric_name": Advice(
        "A metric's name begins with no letter, is too long, or holds a character that is not allowed.",
        "Replay with the fix `rename`, for example `metrics.temp °C` to `metrics.temp_c`.",
    ),
    "unknown_metric_type": Advice(
        "A metric's value is no number.",
        "Replay with `to_number` when it is a text that shows one, else `remove` or move it to `attributes`.",
    ),
    "not_finite": Advice(
        "A metric is NaN, an infinity, or a number larger than a double holds.",
        "The sensor gave no value: replay with `remove` of that metric to keep the others.",
    ),
    "bad_event_time": Advice(
        "`event_time` is neither epoch milliseconds nor a date and time, or before the year 2000.",
        "`detail` says what is wrong. A wrong clock: replay with `remove:event_time`, and the time the"
        " gateway got the message is taken; or with `set` when the true time is known.",
    ),
    "event_time_in_seconds": Advice(
        "`event_time` looks like seconds; it is in milliseconds.",
        "Replay with `--fix scale:event_time:1000`. Let the device send milliseconds, or `event_time_s`.",
    ),
    "event_time_in_microseconds": Advice(
        "`event_time` looks like microseconds; it is in milliseconds.",
        "Replay with `--fix scale:event_time:0.001`. Let the device send milliseconds.",
    ),
    "event_time_in_nanoseconds": Advice(
        "`event_time` looks like nanoseconds; it is in milliseconds.",
        "Replay with `--fix scale:event_time:0.000001`. Let the device send milliseconds.",
    ),
    "local_event_time": Advice(
        "`event_time` is a local time without an offset, and no time zone is set that says how to read it.",
        "Set `timezone` of the device, its site or its tenant (`millrace devices timezone`), then replay with"
        " `--fix assume_zone:event_time`; or name a zone: `--fix assume_zone:event_time:Europe/Berlin`.",
    ),
    "ambiguous_event_time": Advice(
        "`event_time` is a local time of the hour that comes twice when summer time ends.",
        "Replay with `--fix assume_zone:event_time:ZONE:earlier` or `:later`; `detail` names both moments."
        " Let the device send UTC or its offset.",
    ),
    "skipped_event_time": Advice(
        "`event_time` is a local time of the hour that is left out when summer time begins.",
        "The device's clock did not go forward: replay with `--fix assume_zone:event_time:ZONE:earlier`"
        " (read by the offset from before the change), or `set` the true time.",
    ),
    "future_event_time": Advice(
        "`event_time` lies further ahead of the gateway's clock than allowed: the device's clock is wrong.",
        "Set the device's clock. Replay with `remove` of `event_time` to take the time the gateway got it,"
        " or with `set` when the true time is known.",
    ),
    "bad_event_id": Advice(
        "`event_id` is empty, too long, or no plain text.", "Replay with `remove` of `event_id`."
    ),
    "missing_device_id": Advice(
        "Neither the address nor the message says which device spoke.",
        "Replay with `set` of `device_id`.",
    ),
    "bad_device_id": Advice(
        "The device's name is empty, too long, or holds a character that is not allowed.",
        "Replay with `set` of `device_id`.",
    ),
    "device_mismatch": Advice(
        "The address names one device and the message another.",
        "Decide who spoke: replay with `remove` of `device_id` (the address) or `set` of it.",
    ),
    "bad_location": Advice(
        "The location lacks a valid latitude or longitude.",
        "Replay with `remove` of `location`, or `set` of `location.lat` and `location.lon`.",
    ),
    "bad_attributes": Advice(
        "`attributes` is no object of short texts.",
        "Replay with `remove` of `attributes` or of the one that does not fit.",
    ),
    "oversize": Advice(
        "The message is larger than the gateway takes; only its beginning was kept.",
        f"Let the device send smaller batches. {_BODY}",
    ),
    "bad_gzip": Advice(
        "The message says it is gzip, and cannot be unpacked.",
        f"Correct the device's compression. {_BODY}",
    ),
    "bad_row": Advice(
        "A row of an imported file does not fit its mapping; `detail` names file, line and column.",
        f"Correct the file or the mapping and import it again. {_BODY}",
    ),
    "bad_status": Advice(
        "A message on t/{tenant}/{device}/status says neither that the device is there nor that it is not.",
        "Let the device send `online`, `goodbye` or `offline`, or an object such as"
        ' {"state": "online"}. What else it has to say belongs on .../telemetry.',
    ),
    "bad_address": Advice(
        "The MQTT topic is not t/{tenant}/{device}/telemetry.",
        "Correct the device's topic. Replay with `set` of `device_id`.",
    ),
}  # fmt: skip


def advise(reason: str) -> Advice:
    """Return what a reason code means and how to mend it."""
    return _ADVICE.get(reason, _UNKNOWN)


def explained() -> frozenset[str]:
    """Return the codes that have an explanation."""
    return frozenset(_ADVICE)
