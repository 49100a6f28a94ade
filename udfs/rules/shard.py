"""The devices of a shard and their rules: what arrives in, changes of alerts out.

All that must be remembered is one blob per device; what was not touched is not written again.
"""

import logging
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from heapq import heappop, heappush
from itertools import groupby
from typing import Final

import msgspec

from udfs.rules.alerts import AlertChange
from udfs.rules.arrived import Arrived, ArrivedContext, ArrivedMark, ArrivedReading, ArrivedRule, rule_reading
from udfs.rules.held import NEVER_MS, HeldParts
from udfs.rules.reading import RuleDevice
from udfs.rules.rule_book import RuleBook
from udfs.rules.rule_timeline import DELAY_MS, KnownRule, RuleTimeline, known_rule, restored
from udfs.rules.runner import DeviceRunner
from udfs.rules.runner_state import DeviceState

# A device that goes on sending is settled this often; the rest of its life `deadline_ms` tells.
SETTLE_EVERY_MS: Final = 1_000
# A partition that passes for idle may still be behind what is said to be read.
KEEP_MS: Final = 60_000
# A device registered so long after event time belongs to a stack that lives in a recording.
_RECORDED_MS: Final = 86_400_000
_log = logging.getLogger("millrace.rules")


class KeptDevice(msgspec.Struct, array_like=True):
    """A device as it is kept; fields added later go to the end and have defaults.

    `judged_ms` is the log time of its newest reading, by which it is known which rules it went by.
    `registered_ms` 0 = it is not registered; `has_spoken` since it is.
    """

    site: str
    profile: str
    tags: tuple[str, ...]
    state: DeviceState
    judged_ms: int = 0
    registered_ms: int = 0
    has_spoken: bool = False
    counters: tuple[str, ...] = ()


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(KeptDevice)


class Timelines:
    """The rules of every tenant; shared by the shards of a worker, each of which hears of every change."""

    def __init__(self) -> None:
        self._by_tenant: defaultdict[str, RuleTimeline] = defaultdict(RuleTimeline)

    def of(self, tenant: str) -> RuleTimeline:
        """Return the rules of a tenant."""
        return self._by_tenant[tenant]

    def items(self) -> Iterable[tuple[str, RuleTimeline]]:
        """Return the tenants that have had rules, with them."""
        return self._by_tenant.items()

    def forget(self, read_ms: int) -> None:
        """Forget what was in force before this moment of the log."""
        for timeline in self._by_tenant.values():
            timeline.forget(read_ms)

    def restore(self, kept: Iterable[tuple[str, bytes]]) -> None:
        """Take back what was kept of all rules, by `tenant/rule`: in the order of the log, as they came."""
        versions = [(name, known) for name, data in kept for known in restored(data)]
        for name, known in sorted(versions, key=lambda one: (one[1].log_time_ms, one[1].version)):
            tenant, _, rule = name.partition("/")
            self.put(tenant, rule, known)

    def put(self, tenant: str, rule: str, known: KnownRule) -> None:
        """Take a version of a rule; one that is no rule is logged, and the one before stays in force."""
        try:
            self.of(tenant).put(rule, known)
        except msgspec.ValidationError as error:
            _log.error("rule_not_understood rule=%s/%s error=%s", tenant, rule, error)


class AlertShard:
    """Judges the readings of some devices."""

    def __init__(self, timelines: Timelines) -> None:
        self._timelines = timelines
        self._runners: dict[str, DeviceRunner] = {}
        self._due_ms: dict[str, int] = {}
        self._queue: list[tuple[int, str]] = []
        self._swept: dict[str, RuleBook] = {}
        self._judged_ms: dict[str, int] = {}
        # Of registered devices: since when, who has spoken, and who waits for event time to begin.
        self._registered_ms: dict[str, int] = {}
        self._spoken: set[str] = set()
        self._unwatched: set[str] = set()
        self._marks: deque[ArrivedMark] = deque()
        self._held = HeldParts()
        # All of the log up to this moment has been read; and all changes of rules, up to the other.
        self._read_ms = 0
        self._rules_read_ms = NEVER_MS
        self._moved = True
        self._touched: set[str] = set()
        self._learned: set[str] = set()

    def restore(self, owner: str, data: bytes) -> None:
        """Take back what was kept of a device."""
        kept = _decoder.decode(data)
        device = RuleDevice(*_names(owner), kept.site, kept.profile, kept.tags, kept.counters)
        book = self._timelines.of(device.tenant).book_at(kept.judged_ms)
        runner = self._runners[owner] = DeviceRunner(device, book, kept.state)
        self._judged_ms[owner] = kept.judged_ms
        self._read_ms = max(self._read_ms, kept.judged_ms)
        if kept.registered_ms:
            self._registered_ms[owner] = kept.registered_ms
            self._unwatched.add(owner)
        if kept.has_spoken:
            self._spoken.add(owner)
        self._plan(owner, runner)

    def restore_held(self, kept: Iterable[tuple[int, bytes]]) -> None:
        """Take back what was kept of readings that wait for rules."""
        self._held.restore(kept)

    def take(self, arrived: Arrived, watermark_ms: int, now_ms: int) -> list[AlertChange]:
        """Take what arrived: rules at once, since they count only for what the log holds later."""
        for rule in arrived.rules:
            self._learn(rule)
        if arrived.rules_read_ms is not None:
            self._rules_read_ms = max(self._rules_read_ms, arrived.rules_read_ms)
            self._moved = True
        self._held.put(Arrived(arrived.readings, arrived.contexts, [], arrived.mark), watermark_ms)
        changes: list[AlertChange] = []
        for part in self._held.release(self._rules_read_ms, now_ms):
            changes += self._take_part(part.arrived, part.watermark_ms)
        return changes if self._held else changes + self._go_on(watermark_ms)

    def _take_part(self, arrived: Arrived, watermark_ms: int) -> list[AlertChange]:
        changes: list[AlertChange] = []
        for context in arrived.contexts:
            changes += self._meet(context, watermark_ms)
        by_owner: defaultdict[str, list[ArrivedReading]] = defaultdict(list)
        for reading in arrived.readings:
            by_owner[reading[0]].append(reading)
        for owner, readings in by_owner.items():
            changes += self._judge(owner, readings, watermark_ms)
        if arrived.mark is not None:
            self._marks.append(arrived.mark)
        return changes

    def pass_time(self, watermark_ms: int) -> list[AlertChange]:
        """Tell what event time brought about on devices; it stands while readings wait for rules."""
        if self._held:
            return []
        changes = self._go_on(watermark_ms)
        due: list[str] = []
        while self._queue and self._queue[0][0] <= watermark_ms:
            due_ms, owner = heappop(self._queue)
            if self._due_ms.get(owner) == due_ms:
                del self._due_ms[owner]
                due.append(owner)
        for owner in due:
            runner = self._runners[owner]
            changes += runner.pass_time(watermark_ms)
            self._keep(owner, runner)
        return changes

    def deadline_ms(self) -> int | None:
        """Return the watermark at which `pass_time` will have something to do, None = at none."""
        return self._queue[0][0] if self._queue and not self._held else None

    def take_touched(self) -> Iterator[tuple[str, bytes | None]]:
        """Yield devices that changed since the last call, and what is to be kept of them now."""
        for owner in self._touched:
            yield owner, self._kept(owner)
        self._touched.clear()

    def take_held(self) -> Iterator[tuple[int, bytes | None]]:
        """Yield readings that began or ended to wait since the last call, by number."""
        return self._held.take_changed()

    def take_learned(self) -> Iterator[tuple[str, bytes]]:
        """Yield rules (`tenant/rule`) heard of since the last call, and what is to be kept of them."""
        for name in self._learned:
            tenant, _, rule = name.partition("/")
            yield name, self._timelines.of(tenant).encode(rule)
        self._learned.clear()

    def _learn(self, arrived: ArrivedRule) -> None:
        self._timelines.put(arrived.tenant, arrived.rule, known_rule(arrived))
        self._learned.add(f"{arrived.tenant}/{arrived.rule}")

    def _meet(self, context: ArrivedContext, watermark_ms: int) -> list[AlertChange]:
        owner = context.owner
        tenant, device_id = _names(owner)
        device = RuleDevice(tenant, device_id, context.site, context.profile, context.tags, context.counters)
        runner = self._runner(owner)
        if runner.device == device and self._registered_ms.get(owner, 0) == context.registered_ms:
            return []
        self._runners[owner] = runner = runner.as_device(device)
        self._judged_ms.setdefault(owner, self._read_ms)
        changes = runner.take_rules() + self._register(owner, runner, context.registered_ms)
        self._watch(owner, runner, watermark_ms)
        self._keep(owner, runner)
        return changes

    def _register(self, owner: str, runner: DeviceRunner, registered_ms: int) -> list[AlertChange]:
        if registered_ms:
            self._registered_ms[owner] = registered_ms
            return []
        was_registered = self._registered_ms.pop(owner, 0)
        has_spoken = owner in self._spoken
        self._spoken.discard(owner)
        return runner.end_silence() if was_registered and not has_spoken else []

    def _watch(self, owner: str, runner: DeviceRunner, watermark_ms: int) -> bool:
        """Let absence rules see a registered device that sends nothing; tell whether one does from now on."""
        registered_ms = self._registered_ms.get(owner)
        if registered_ms is None:
            return False
        if watermark_ms < 0:
            self._unwatched.add(owner)
            return False
        # Where event time is that of a recording, silence counts in it and not in the registry's time.
        is_now = registered_ms - watermark_ms < _RECORDED_MS
        from_ms = max(registered_ms, watermark_ms) if is_now else watermark_ms
        return runner.watch(from_ms, owner in self._spoken)

    def _watch_waiting(self, watermark_ms: int) -> None:
        if watermark_ms < 0 or not self._unwatched:
            return
        for owner in self._unwatched & self._runners.keys():
            if self._watch(owner, self._runners[owner], watermark_ms):
                self._keep(owner, self._runners[owner])
        self._unwatched.clear()

    def _judge(self, owner: str, readings: list[ArrivedReading], watermark_ms: int) -> list[AlertChange]:
        runner, changes = self._runner(owner), []
        if owner in self._registered_ms and owner not in self._spoken:
            self._spoken.add(owner)
            runner.hear(rule_reading(readings[0]))
            self._keep(owner, runner)
        timeline = self._timelines.of(runner.device.tenant)
        for book, group in groupby(readings, lambda reading: timeline.book_at(reading[2])):
            runner.use(book)
            if not runner.is_concerned:
                continue
            if watermark_ms - runner.state.watermark_ms >= SETTLE_EVERY_MS:
                changes += runner.pass_time(watermark_ms)
            changes += runner.take(map(rule_reading, group)).changes
            self._runners[owner] = runner
            self._judged_ms[owner] = max(readings[-1][2], self._judged_ms.get(owner, 0))
            self._keep(owner, runner)
        return changes

    def _go_on(self, watermark_ms: int) -> list[AlertChange]:
        """Bring devices up to the rules of a moment up to which all of the log was read, silent ones too."""
        self._watch_waiting(watermark_ms)
        while self._marks and self._marks[0].due_ms <= watermark_ms:
            self._read_ms = max(self._read_ms, self._marks.popleft().log_time_ms)
            self._moved = True
        if not self._moved:
            return []
        self._moved = False
        read_ms = min(self._read_ms, self._rules_read_ms + DELAY_MS)
        self._timelines.forget(read_ms - KEEP_MS)
        books = {tenant: timeline.book_at(read_ms) for tenant, timeline in self._timelines.items()}
        changed = {tenant for tenant, book in books.items() if self._swept.get(tenant) is not book}
        self._swept = books
        told: list[AlertChange] = []
        for owner, runner in self._runners.items() if changed else ():
            if runner.device.tenant in changed:
                told += self._bring_up(owner, runner, read_ms, watermark_ms)
        return told

    def _bring_up(
        self, owner: str, runner: DeviceRunner, read_ms: int, watermark_ms: int
    ) -> list[AlertChange]:
        # Where a device's own readings are ahead, it went by the rules of then.
        judged_ms = self._judged_ms[owner] = max(read_ms, self._judged_ms.get(owner, 0))
        runner.use(self._timelines.of(runner.device.tenant).book_at(judged_ms))
        told = runner.take_rules()
        if self._watch(owner, runner, watermark_ms) or told:
            self._keep(owner, runner)
        return told

    def _runner(self, owner: str) -> DeviceRunner:
        runner = self._runners.get(owner)
        if runner is None:
            device = RuleDevice(*_names(owner))
            runner = DeviceRunner(device, self._timelines.of(device.tenant).book_at(self._read_ms))
        return runner

    def _keep(self, owner: str, runner: DeviceRunner) -> None:
        self._touched.add(owner)
        self._plan(owner, runner)

    def _plan(self, owner: str, runner: DeviceRunner) -> None:
        due_ms = runner.deadline_ms()
        if due_ms is None:
            self._due_ms.pop(owner, None)
        elif self._due_ms.get(owner) != due_ms:
            self._due_ms[owner] = due_ms
            heappush(self._queue, (due_ms, owner))

    def _kept(self, owner: str) -> bytes | None:
        runner = self._runners[owner]
        known = (runner.device.site, runner.device.profile, runner.device.tags)
        registered_ms, has_spoken = self._registered_ms.get(owner, 0), owner in self._spoken
        if runner.is_busy or registered_ms or runner.device != RuleDevice(*_names(owner)):
            judged_ms = self._judged_ms.get(owner, 0)
            registration = (registered_ms, has_spoken, runner.device.counters)
            return _encoder.encode(KeptDevice(*known, runner.state, judged_ms, *registration))
        del self._runners[owner]
        self._judged_ms.pop(owner, None)
        return None


def _names(owner: str) -> tuple[str, str]:
    tenant, _, device_id = owner.partition("/")
    return tenant, device_id
