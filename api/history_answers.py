"""The shapes of the answers about what was: sessions and events of a device."""

from pydantic import Field

from api.answers import AgeMs, Answer, IsoTime, TimeMs


class Written(Answer):
    """How new the table behind the answer is: what was told since is not in it yet."""

    committed: IsoTime | None = Field(description="When rows were last added to it; null while it is empty.")
    committed_ms: TimeMs | None
    age_ms: AgeMs | None


class DeviceSession(Answer):
    """Readings of a device no further apart than its profile's offline_after; the newest revision."""

    session_start: IsoTime = Field(description="Event time of the first reading.")
    session_start_ms: TimeMs
    session_end: IsoTime = Field(description="Event time of the last reading.")
    session_end_ms: TimeMs
    readings: int = Field(description="Without duplicates.")
    gaps: int = Field(description="Silences inside, longer than max(2 x expected interval, 10 s).")
    battery_min: float | None
    battery_max: float | None
    signal_min: float | None
    signal_max: float | None
    site: str | None
    profile: str
    late_count: int = Field(description="Of the readings those that came behind the watermark.")
    revision: int = Field(description="0 as first told, + 1 with each correction.")


class DeviceEvent(Answer):
    """Something that happened to the device."""

    event_id: str = Field(description="The same id again would be the same event.")
    type: str = Field(description="online, offline, rebooted, flapping or clock_skew.")
    event_time: IsoTime = Field(description="When it happened, in the time devices speak of.")
    event_time_ms: TimeMs
    detected_at: IsoTime = Field(description="When it was known, in the log's time.")
    detected_at_ms: TimeMs
    cause: str = Field(description="Why.", examples=["silence"])
    site: str | None
    part_of: str | None = Field(description="Id of the site's event this one belongs to.")
    details: dict[str, str] = Field(description="Figures, by name.")


class _History(Answer):
    tenant: str
    device_id: str
    from_: IsoTime = Field(alias="from")
    from_ms: TimeMs
    to: IsoTime
    to_ms: TimeMs
    freshness: Written


class SessionPage(_History):
    """One page of a device's closed sessions that touch [from, to), the latest first."""

    open_since: IsoTime | None = Field(description="Where the session begins that is open now.")
    open_since_ms: TimeMs | None
    sessions: list[DeviceSession]
    next_cursor: str | None = Field(description="Null on the last page.")


class EventPage(_History):
    """One page of a device's events in [from, to), the latest first."""

    events: list[DeviceEvent]
    next_cursor: str | None = Field(description="Null on the last page.")
