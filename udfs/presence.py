"""Which devices are there: the state machine of a shard, driven by what arrives and by the tick of the log.

Silence is log time in which ingestion was not paused. What the broker says of a lost connection counts
at the next tick, unless the device was back by then or ingestion was paused around it: a broker that
stops sends the last wills of the living. Nothing here reads a clock: the same input gives the same output.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from udfs import clock_skew, flapping, sessions
from udfs.device_events import device_event, last_event_ms
from udfs.device_state import (
    DEFAULT_TERMS,
    Activity,
    Change,
    Context,
    Device,
    Presence,
    Shard,
    Signal,
    State,
    Terms,
    Tick,
)
from udfs.held_ticks import due_ticks
from udfs.reboots import restarts

FORGET_AFTER_MS: Final = 30 * 24 * 3_600_000
LEFT: Final = {"lost": "last_will", "disconnected": "disconnected"}
_LEFT_CAUSES: Final = frozenset(LEFT.values())
_CHANGES: Final = {("online", "offline"), ("offline", "online"), ("maintenance", "offline")}


def advance(
    shard: Shard,
    activities: list[Activity],
    signals: list[Signal],
    contexts: list[Context],
    tick: Tick | None,
    read: Mapping[int, int] = {},
    now_ms: int = 0,
) -> list[Change]:
    """Take one pane of a shard and return what changed: contexts first, then arrivals, then ticks.

    Changes `shard` in place. Arrivals may come in any order; of two contexts of a device the last counts.
    `read` is up to which offset each partition of the log has come with this pane, `now_ms` the wall clock:
    both only say which ticks may take effect (see `udfs.held_ticks`).
    """
    turn = _Turn(shard)
    for context in contexts:
        turn.take_context(context)
    for arrival in _in_log_order(activities, signals):
        if isinstance(arrival, Activity):
            turn.take_activity(arrival)
        else:
            turn.take_signal(arrival)
    turn.judge_clocks()
    for due in due_ticks(shard, tick, read, now_ms):
        turn.take_tick(due)
    return turn.told()


def _in_log_order(activities: list[Activity], signals: list[Signal]) -> Iterable[Activity | Signal]:
    ordered = sorted(activities, key=_activity_order)
    if not signals:
        return ordered
    return sorted([*ordered, *sorted(signals, key=_signal_order)], key=_log_time)


def _activity_order(activity: Activity) -> tuple[int, int, str]:
    return activity.arrived_ms, activity.first_event_ms or 0, activity.owner


def _signal_order(signal: Signal) -> tuple[int, str, bool]:
    return signal.at_ms, signal.owner, signal.what == "connected"


def _log_time(arrival: Activity | Signal) -> int:
    return arrival.arrived_ms if isinstance(arrival, Activity) else arrival.at_ms


class _Turn:
    """One call of `advance`: what it found so far, and whose presence is to be told at its end."""

    def __init__(self, shard: Shard) -> None:
        self._shard = shard
        self._changes: list[Change] = []
        self._shown: dict[str, None] = {}
        self._nearest: dict[str, Activity] = {}

    def take_context(self, context: Context) -> None:
        """Remember by what a device is judged from now on; one never seen gets no state by it."""
        terms = Terms(*context[1:])
        device = self._shard.devices.get(context.owner)
        if device is None:
            device = self._shard.devices[context.owner] = Device()
        before = device.terms or DEFAULT_TERMS
        device.terms = None if terms == DEFAULT_TERMS else terms
        if (before.site, before.profile) != (terms.site, terms.profile):
            self._shown[context.owner] = None
        if device.terms is None and not device.state:
            del self._shard.devices[context.owner]

    def take_activity(self, activity: Activity) -> None:
        """Take readings of one device: they are a sign of life, even duplicates."""
        shard, owner = self._shard, activity.owner
        device = shard.devices.get(owner)
        if device is None:
            device = shard.devices[owner] = Device()
        terms = device.terms or DEFAULT_TERMS
        self._hear(device, activity.arrived_ms)
        if device.state != "online":
            cause = "reading" if device.state else "first_reading"
            event_ms = activity.first_event_ms or activity.arrived_ms
            self._become(owner, device, "online", activity.arrived_ms, event_ms, cause)
        if sessions.merge(device, terms, activity, shard.watermark_ms):
            self._shown[owner] = None
        if activity.last_seq is not None:
            self._tell_restarts(owner, device, terms, activity)
        offset_ms = activity.min_offset_ms
        if offset_ms is not None:
            nearest = self._nearest.get(owner)
            if nearest is None or offset_ms < (nearest.min_offset_ms or 0):
                self._nearest[owner] = activity

    def _hear(self, device: Device, at_ms: int) -> None:
        device.last_arrival_ms = max(device.last_arrival_ms, at_ms)
        device.paused_at_ms = self._shard.paused_ms
        device.leaving = ""

    def _tell_restarts(self, owner: str, device: Device, terms: Terms, activity: Activity) -> None:
        for restart in restarts(device, activity):
            details = {"seq_before": str(restart.seq_before), "seq_after": str(restart.seq_after)}
            at_ms, event_ms = activity.arrived_ms, restart.event_time_ms
            self._changes.append(
                device_event("rebooted", owner, terms, event_ms, at_ms, "sequence_restart", details)
            )

    def take_signal(self, signal: Signal) -> None:
        """Take what the broker says of a device's connection; it says nothing of one never seen."""
        device = self._shard.devices.get(signal.owner)
        if device is None:
            return
        if signal.what in LEFT:
            device.leaving = LEFT[signal.what] if device.state == "online" else ""
        elif device.state == "online":
            self._hear(device, signal.at_ms)
        elif device.state and device.cause in _LEFT_CAUSES:
            self._hear(device, signal.at_ms)
            self._become(signal.owner, device, "online", signal.at_ms, signal.at_ms, "connected")

    def judge_clocks(self) -> None:
        """Look at each device's smallest offset of the pane."""
        for owner, sample in self._nearest.items():
            device = self._shard.devices[owner]
            offset_ms = clock_skew.observe(device, sample)
            if offset_ms is not None:
                terms = device.terms or DEFAULT_TERMS
                right = device.clock_offset_ms is None
                cause = "clock_right" if right else "clock_behind" if offset_ms > 0 else "clock_ahead"
                details = {"offset_ms": str(offset_ms)}
                at_ms, event_ms = sample.arrived_ms, sample.last_event_ms or sample.arrived_ms
                self._changes.append(
                    device_event("clock_skew", owner, terms, event_ms, at_ms, cause, details)
                )
                self._shown[owner] = None

    def take_tick(self, tick: Tick) -> None:
        """Let time pass: judge silence, close sessions, forget who has been gone for long."""
        self._pass_time(tick)
        forgotten: list[str] = []
        for owner, device in self._shard.devices.items():
            if device.state:
                self._judge_silence(owner, device, forgotten)
            if device.flapping:
                self._judge_flapping(owner, device)
            if device.sessions:
                self._pass_sessions(owner, device)
        for owner in forgotten:
            self._forget(owner)

    def _pass_time(self, tick: Tick) -> None:
        shard, before_ms = self._shard, self._shard.log_time_ms
        paused_ms = max(0, tick.paused_ms - shard.tick_paused_ms)
        shard.tick_paused_ms = tick.paused_ms
        shard.paused_ms += paused_ms
        shard.log_time_ms = max(before_ms, tick.log_time_ms)
        shard.watermark_ms = max(shard.watermark_ms, tick.watermark_ms)
        if not paused_ms:
            return
        for device in shard.devices.values():
            device.leaving = ""
            if device.last_arrival_ms > before_ms:
                # The pause may lie before this arrival: it excuses no more than the silence since.
                silent_ms = max(0, shard.log_time_ms - device.last_arrival_ms)
                device.paused_at_ms += max(0, paused_ms - silent_ms)

    def _judge_silence(self, owner: str, device: Device, forgotten: list[str]) -> None:
        shard = self._shard
        terms = device.terms or DEFAULT_TERMS
        now_ms = shard.log_time_ms
        silent_ms = now_ms - device.last_arrival_ms - shard.paused_ms + device.paused_at_ms
        if device.state == "online":
            if device.leaving or silent_ms >= terms.offline_after_ms:
                self._fall_silent(owner, device, terms)
        elif device.state == "maintenance":
            if not _in_maintenance(terms, now_ms):
                self._become(owner, device, "offline", now_ms, last_event_ms(device), device.cause)
        elif silent_ms > FORGET_AFTER_MS and not device.sessions:
            forgotten.append(owner)

    def _fall_silent(self, owner: str, device: Device, terms: Terms) -> None:
        now_ms, cause = self._shard.log_time_ms, device.leaving or "silence"
        state: State = "maintenance" if _in_maintenance(terms, now_ms) else "offline"
        self._become(owner, device, state, now_ms, last_event_ms(device), cause)

    def _become(
        self, owner: str, device: Device, state: State, at_ms: int, event_ms: int, cause: str
    ) -> None:
        counts = (device.state, state) in _CHANGES
        device.state, device.cause, device.leaving = state, cause, ""
        device.since_ms = at_ms if state == "online" else device.last_arrival_ms
        self._shown[owner] = None
        if state == "maintenance":
            return
        self._announce(owner, device, event_ms, at_ms, cause)
        if counts and flapping.count_change(device, at_ms):
            terms, details = device.terms or DEFAULT_TERMS, {"changes": str(flapping.CHANGES)}
            self._changes.append(device_event("flapping", owner, terms, event_ms, at_ms, "changes", details))

    def _announce(self, owner: str, device: Device, event_ms: int, at_ms: int, cause: str) -> None:
        if device.flapping or device.announced == device.state:
            return
        device.announced = device.state
        terms = device.terms or DEFAULT_TERMS
        self._changes.append(device_event(device.state, owner, terms, event_ms, at_ms, cause))

    def _judge_flapping(self, owner: str, device: Device) -> None:
        if flapping.calms_down(device, self._shard.log_time_ms):
            self._shown[owner] = None
            if device.state != "maintenance":
                self._announce(owner, device, last_event_ms(device), self._shard.log_time_ms, "calm")

    def _pass_sessions(self, owner: str, device: Device) -> None:
        watermark_ms, terms = self._shard.watermark_ms, device.terms or DEFAULT_TERMS
        for closed in sessions.close_passed(device, terms, watermark_ms):
            self._changes.append(sessions.told_session(owner, terms, closed))
        if not device.sessions:
            self._shown[owner] = None
        sessions.fold(device, watermark_ms)

    def _forget(self, owner: str) -> None:
        terms = self._shard.devices.pop(owner).terms
        if terms is not None:
            self._shard.devices[owner] = Device(terms=terms)

    def told(self) -> list[Change]:
        """Return all changes; the presence of each device it changed for comes last, once."""
        for owner in self._shown:
            device = self._shard.devices.get(owner)
            if device is not None and device.state:
                self._changes.append(_presence(owner, device, device.state))
        return self._changes


def _in_maintenance(terms: Terms, log_time_ms: int) -> bool:
    from_ms, until_ms = terms.maintenance_from_ms, terms.maintenance_until_ms
    return from_ms is not None and until_ms is not None and from_ms <= log_time_ms < until_ms


def _presence(owner: str, device: Device, state: State) -> Presence:
    terms = device.terms or DEFAULT_TERMS
    return Presence(
        owner,
        state,
        device.since_ms,
        device.sessions[-1].start_ms if device.sessions else None,
        device.last_arrival_ms,
        terms.site,
        terms.profile,
        device.flapping,
        device.clock_offset_ms,
    )
