"""Given steps for tests of device state: what arrives in which second, and how time passes."""

from collections.abc import Iterable
from typing import NamedTuple

from udfs.device_state import (
    Activity,
    Change,
    Context,
    DeviceEvent,
    Presence,
    Shard,
    Signal,
    Tick,
    decode_shard,
    encode_shard,
)
from udfs.presence import advance

NOW_MS = 1_767_225_600_000
PUMP = "acme/pump"


class Seen(NamedTuple):
    """Readings of a device at a second of log time; `event_s` defaults to that second."""

    at_s: float
    owner: str = PUMP
    event_s: float | None = None
    readings: int = 1
    first_seq: int | None = None
    last_seq: int | None = None

    def activity(self) -> Activity:
        arrived_ms = ms(self.at_s)
        event_ms = ms(self.at_s if self.event_s is None else self.event_s) if self.readings else None
        offset_ms = None if event_ms is None else arrived_ms - event_ms
        last_seq = self.first_seq if self.last_seq is None else self.last_seq
        return Activity(
            owner=self.owner,
            arrived_ms=arrived_ms,
            readings=self.readings,
            first_event_ms=event_ms,
            last_event_ms=event_ms,
            late=0,
            min_offset_ms=offset_ms,
            first_seq=self.first_seq,
            last_seq=last_seq,
            battery_min=None,
            battery_max=None,
            signal_min=None,
            signal_max=None,
        )


class Said(NamedTuple):
    """What the broker said of a device at a second of log time."""

    at_s: float
    what: str
    owner: str = PUMP


class Clock(NamedTuple):
    """A tick at a second of log time, the pause so far, where partitions ended, and the wall clock."""

    at_s: float
    paused_s: float = 0
    ends: tuple[tuple[int, int], ...] = ()
    wall_s: float = 0


class Read(NamedTuple):
    """How far the log was read: up to which offset, of which partition."""

    offset: int
    partition: int = 0


class Terms(NamedTuple):
    """A context of a device."""

    offline_after_s: float = 60
    maintenance_s: tuple[float, float] | None = None
    site: str = ""
    owner: str = PUMP


def ms(second: float) -> int:
    return NOW_MS + round(second * 1000)


Step = Seen | Said | Clock | Terms | Read


def feed(steps: Iterable[Step], shard: Shard | None = None) -> list[Change]:
    """Take the steps one by one, through bytes each time."""
    shard = shard or decode_shard(None)
    told: list[Change] = []
    for step in steps:
        told += take(shard, step)
        shard = decode_shard(encode_shard(shard))
    return told


def take(shard: Shard, *steps: Step) -> list[Change]:
    """Take the steps as one pane."""
    clocks = [step for step in steps if isinstance(step, Clock)]
    ticks = [Tick(ms(c.at_s), ms(c.at_s - 10), round(c.paused_s * 1000), c.ends) for c in clocks]
    return advance(
        shard,
        [step.activity() for step in steps if isinstance(step, Seen)],
        [Signal(step.owner, ms(step.at_s), step.what) for step in steps if isinstance(step, Said)],
        [_context(step) for step in steps if isinstance(step, Terms)],
        ticks[0] if ticks else None,
        {step.partition: step.offset for step in steps if isinstance(step, Read)},
        ms(clocks[0].wall_s if clocks else 0),
    )


def _context(terms: Terms) -> Context:
    window = [ms(second) for second in terms.maintenance_s] if terms.maintenance_s else [None, None]
    return Context(
        terms.owner, terms.site, "default", "", round(terms.offline_after_s * 1000), 10_000, *window
    )


def events(changes: list[Change]) -> list[tuple[str, float, str]]:
    return [
        (c.type, (c.detected_at_ms - NOW_MS) / 1000, c.cause) for c in changes if isinstance(c, DeviceEvent)
    ]


def states(changes: list[Change]) -> list[str]:
    return [change.state for change in changes if isinstance(change, Presence)]


def feed_into(shard: Shard, steps: Iterable[Step]) -> list[Change]:
    return [change for step in steps for change in take(shard, step)]
