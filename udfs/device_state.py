"""What the sessions job knows of devices: the rows that go in, the changes that come out, the state between.

All state of one shard of devices is one msgpack blob. Structs are written as arrays: a field added
later goes to the end and has a default, so that older blobs still decode. A live device takes about
200 bytes; one whose readings come far out of order about 20 bytes more for each event-time interval
that is still open, `udfs.sessions.MOST_OPEN` of them at most.
"""

from typing import Final, Literal, NamedTuple

import msgspec

from millrace.unregistered import DEFAULT_EXPECTED_INTERVAL_MS, DEFAULT_OFFLINE_AFTER_MS, DEFAULT_PROFILE

State = Literal["online", "offline", "maintenance"]


class Activity(NamedTuple):
    """What arrived of one device in one log-time pane (1 s) and event-time bucket (10 s).

    Counts and extremes are of readings that are no duplicates; `readings` 0 means only duplicates came.
    `min_offset_ms` is the smallest log time - event time; `late` counts readings behind the watermark.
    """

    owner: str
    arrived_ms: int
    readings: int
    first_event_ms: int | None
    last_event_ms: int | None
    late: int
    min_offset_ms: int | None
    first_seq: int | None
    last_seq: int | None
    battery_min: float | None
    battery_max: float | None
    signal_min: float | None
    signal_max: float | None


class Signal(NamedTuple):
    """What the broker said of a device's connection: connected, disconnected or lost; `at_ms` is log time."""

    owner: str
    at_ms: int
    what: str


class Context(NamedTuple):
    """What the registry says of a device; the maintenance window is [from, until) in log time."""

    owner: str
    site: str
    profile: str
    firmware: str
    offline_after_ms: int
    expected_interval_ms: int
    maintenance_from_ms: int | None
    maintenance_until_ms: int | None


class Tick(NamedTuple):
    """How far time has come: in the log, in events, and how long ingestion was paused in all so far.

    `ends` is where partitions of `telemetry` that held records ended then, as (partition, offset).
    """

    log_time_ms: int
    watermark_ms: int
    paused_ms: int
    ends: tuple[tuple[int, int], ...] = ()


class HeldTick(NamedTuple):
    """A tick that waits for what it covers to be read, since a moment of the wall clock."""

    tick: Tick
    since_ms: int


class DeviceEvent(NamedTuple):
    """Something worth telling of a device or a site.

    `detected_at_ms` is log time, `part_of` the id of the site event it belongs to, or "".
    """

    event_id: str
    type: str
    tenant: str
    device_id: str
    site: str
    event_time_ms: int
    detected_at_ms: int
    cause: str
    part_of: str
    devices: int
    details: dict[str, str]


class ClosedSession(NamedTuple):
    """A session that the watermark has passed; `gaps` are silences inside it, times are event times."""

    owner: str
    start_ms: int
    end_ms: int
    readings: int
    gaps: int
    battery_min: float | None
    battery_max: float | None
    signal_min: float | None
    signal_max: float | None
    site: str
    profile: str
    late: int


class Presence(NamedTuple):
    """What a device's state is now; `since_ms` and `last_arrival_ms` are log times.

    Told when anything but `last_arrival_ms` changes. `session_start_ms` is the event time at which the
    newest open session began, `clock_offset_ms` a constant log time - event time that was reported.
    """

    owner: str
    state: State
    since_ms: int
    session_start_ms: int | None
    last_arrival_ms: int
    site: str
    profile: str
    flapping: bool
    clock_offset_ms: int | None


Change = DeviceEvent | ClosedSession | Presence


class Terms(msgspec.Struct, array_like=True, gc=False, frozen=True):
    """By what a device is judged: its context without its name."""

    site: str = ""
    profile: str = DEFAULT_PROFILE
    firmware: str = ""
    offline_after_ms: int = DEFAULT_OFFLINE_AFTER_MS
    expected_interval_ms: int = DEFAULT_EXPECTED_INTERVAL_MS
    maintenance_from_ms: int | None = None
    maintenance_until_ms: int | None = None


DEFAULT_TERMS: Final = Terms()


class OpenSession(msgspec.Struct, array_like=True, gc=False):
    """A session the watermark has not passed.

    `islands` is start, end, start, end ... of stretches without a gap, in order; `gaps` counts those
    between islands that were folded into the first.
    """

    islands: list[int]
    readings: int = 0
    late: int = 0
    gaps: int = 0
    battery_min: float | None = None
    battery_max: float | None = None
    signal_min: float | None = None
    signal_max: float | None = None

    @property
    def start_ms(self) -> int:
        """Event time of the first reading."""
        return self.islands[0]

    @property
    def end_ms(self) -> int:
        """Event time of the last reading."""
        return self.islands[-1]


class OffsetRun(msgspec.Struct, array_like=True, gc=False):
    """Consecutive panes whose smallest log time - event time stayed about the same."""

    since_ms: int
    smallest_ms: int
    largest_ms: int
    readings: int


class Device(msgspec.Struct, array_like=True, gc=False):
    """One device; `state` is "" until it was ever seen.

    `announced` is the presence events last told. `leaving` is why the broker says it left, until the
    next tick. `behind_ms` is the watermark when its newest reading came already behind it.
    """

    terms: Terms | None = None
    state: State | Literal[""] = ""
    since_ms: int = 0
    last_arrival_ms: int = 0
    paused_at_ms: int = 0
    newest_event_ms: int = 0
    behind_ms: int = 0
    cause: str = ""
    leaving: str = ""
    announced: str = ""
    sessions: list[OpenSession] = []
    seq: int | None = None
    seq_event_ms: int = 0
    changes_ms: list[int] = []
    flapping: bool = False
    offset_run: OffsetRun | None = None
    clock_offset_ms: int | None = None


class Shard(msgspec.Struct, array_like=True, gc=False):
    """All devices of one shard by owner, and the last tick; `paused_ms` only ever grows.

    `read` is up to which offset this shard knows each partition of `telemetry`, `held` the ticks that wait
    for more, in order.
    """

    devices: dict[str, Device] = {}
    log_time_ms: int = 0
    watermark_ms: int = 0
    paused_ms: int = 0
    tick_paused_ms: int = 0
    read: dict[int, int] = {}
    held: list[HeldTick] = []


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Shard)


def decode_shard(data: bytes | None) -> Shard:
    """Read a shard's state; None is a shard that never had any.

    Raises msgspec.DecodeError when the bytes are no shard.
    """
    return Shard() if data is None else _decoder.decode(data)


def encode_shard(shard: Shard) -> bytes:
    """Write a shard's state."""
    return _encoder.encode(shard)
