"""Why the gateway refuses a message: stable codes, kept in dead letters and counters."""

from enum import StrEnum


class Reason(StrEnum):
    """A reason code; once published its meaning does not change."""

    about: str

    def __new__(cls, code: str, about: str) -> "Reason":
        """Attach the one-line description to the code."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.about = about
        return member

    MALFORMED_JSON = "malformed_json", "the payload is not one JSON document"
    NOT_UTF8 = "not_utf8", "a text in the payload is not UTF-8"
    NOT_A_READING = "not_a_reading", "JSON, but not an object or an array of objects"
    EMPTY_BATCH = "empty_batch", "an array without any reading"
    UNKNOWN_FIELD = "unknown_field", "a field the contract does not have"
    MISSING_METRICS = "missing_metrics", "`metrics` is absent or no object"
    EMPTY_METRICS = "empty_metrics", "`metrics` holds nothing"
    TOO_MANY_METRICS = "too_many_metrics", "more metrics than one reading may carry"
    BAD_METRIC_NAME = "bad_metric_name", "a metric name outside the allowed characters or length"
    UNKNOWN_METRIC_TYPE = "unknown_metric_type", "a metric value that is not a number"
    NOT_FINITE = "not_finite", "NaN, an infinity, or a number a double cannot hold"
    BAD_EVENT_TIME = (
        "bad_event_time",
        "neither epoch milliseconds nor a date and time, or before the year 2000",
    )
    EVENT_TIME_IN_SECONDS = "event_time_in_seconds", "looks like seconds, and not milliseconds"
    EVENT_TIME_IN_MICROSECONDS = "event_time_in_microseconds", "looks like microseconds, and not milliseconds"
    EVENT_TIME_IN_NANOSECONDS = "event_time_in_nanoseconds", "looks like nanoseconds, and not milliseconds"
    LOCAL_EVENT_TIME = "local_event_time", "a local time without an offset, of a device whose zone is not set"
    AMBIGUOUS_EVENT_TIME = "ambiguous_event_time", "a local time that the clocks of its zone showed twice"
    SKIPPED_EVENT_TIME = "skipped_event_time", "a local time that the clocks of its zone skipped"
    FUTURE_EVENT_TIME = "future_event_time", "further ahead of the gateway's clock than allowed"
    BAD_EVENT_ID = "bad_event_id", "an event id that is empty, too long or no plain text"
    MISSING_DEVICE_ID = "missing_device_id", "neither address nor payload says which device spoke"
    BAD_DEVICE_ID = "bad_device_id", "a device id outside the allowed characters or length"
    DEVICE_MISMATCH = "device_mismatch", "address and payload name different devices"
    BAD_LOCATION = "bad_location", "a location without valid latitude and longitude"
    BAD_ATTRIBUTES = "bad_attributes", "attributes that are not short texts by name"
    OVERSIZE = "oversize", "a payload larger than the gateway takes"
    BAD_GZIP = "bad_gzip", "a body that says gzip and is not"
    BAD_STATUS = "bad_status", "a message on a status topic that does not say whether the device is there"
    BAD_ADDRESS = "bad_address", "an MQTT topic that is not t/{tenant}/{device}/telemetry or /status"
    BAD_ROW = "bad_row", "a row of a file that its mapping cannot read"
