"""The rules of one device on readings as they arrive: at once, and right in the end.

A reading that is the newest so far is judged at once. One out of order makes its rules run again from their
state at the watermark over the readings after it; alerts that came out differently are told as withdrawn,
updated or raised. So whatever the order of arrival, what was told ends as if readings had come in order.
Readings at or behind the watermark are returned as late: history has them, and finds their alerts.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from operator import attrgetter
from typing import Final, NamedTuple

from udfs.rules.alerts import AlertChange
from udfs.rules.reading import RuleDevice, RuleReading, order
from udfs.rules.rule_book import Compiled, DeviceRules, RuleBook
from udfs.rules.rule_run import new_run, revise, run_again, settle, step_head
from udfs.rules.runner_state import DeviceState, decode_device, encode_device

# Where the watermark lags far behind a fast device, its older readings are settled early.
MOST_PENDING: Final = 10_000
_event_time = attrgetter("event_time_ms")


class Outcome(NamedTuple):
    """What readings brought about, and those that came behind the watermark."""

    changes: list[AlertChange]
    late: list[RuleReading]


class DeviceRunner:
    """The rules of one device; all it must remember is in `state`, which changes in place."""

    __slots__ = ("_book", "_device", "_rules", "state")

    def __init__(self, device: RuleDevice, book: RuleBook, state: DeviceState | None = None) -> None:
        self._device, self._book = device, book
        self.state = DeviceState() if state is None else state
        self._rules: DeviceRules | None = None

    @classmethod
    def decode(cls, device: RuleDevice, book: RuleBook, data: bytes | None) -> "DeviceRunner":
        """Go on from an encoded state; None is a device that never had any.

        Raises msgspec.DecodeError when the bytes are no state.
        """
        return cls(device, book, decode_device(data))

    @property
    def device(self) -> RuleDevice:
        """The device, as it is known."""
        return self._device

    @property
    def is_busy(self) -> bool:
        """Whether something must be remembered."""
        return bool(self.state.runs or self.state.pending)

    @property
    def is_concerned(self) -> bool:
        """Whether rules are, or were, in force for the device."""
        return self.is_busy or bool(self._book.rules_for(self._device).by_name)

    def use(self, book: RuleBook) -> None:
        """Go by other rules from now on."""
        self._book = book

    def as_device(self, device: RuleDevice) -> "DeviceRunner":
        """Go on as a device that became known by other names of its scope."""
        return DeviceRunner(device, self._book, self.state)

    def encode(self) -> bytes:
        """Return all that must be remembered, as msgpack."""
        return encode_device(self.state)

    def deadline_ms(self) -> int | None:
        """Return the watermark at which `pass_time` will have something to tell or settle, or None."""
        rules, state = self._book.rules_for(self._device), self.state
        found = [
            rules.by_name[name].evaluator.deadline_ms(run.base if run.head is None else run.head)
            for name, run in state.runs.items()
            if name in rules.by_name
        ]
        if state.pending:
            found.append(state.pending[-1].event_time_ms)
        return min((at_ms for at_ms in found if at_ms is not None), default=None)

    def take(self, readings: Iterable[RuleReading]) -> Outcome:
        """Take readings in the order of arrival; those equal in time and content count once."""
        rules, changes = self._in_force()
        state, late = self.state, []
        again: dict[str, Compiled] = {}
        for reading in readings:
            if reading.event_time_ms <= state.watermark_ms:
                late.append(reading)
            elif compiled := rules.matching(reading):
                place = _insert(state.pending, reading)
                if place == len(state.pending) - 1:
                    self._judge(compiled, reading, again, changes)
                elif place >= 0:
                    again |= {one.rule: one for one in compiled}
        for one in again.values():
            run = state.runs.setdefault(one.rule, new_run(one))
            changes += run_again(one, run, state.pending, state.watermark_ms, self._device)
        if len(state.pending) > MOST_PENDING:
            changes += self.pass_time(state.pending[-MOST_PENDING // 2].event_time_ms)
        return Outcome(changes, late)

    def _judge(
        self,
        compiled: Iterable[Compiled],
        reading: RuleReading,
        again: dict[str, Compiled],
        changes: list[AlertChange],
    ) -> None:
        runs = self.state.runs
        for one in compiled:
            run = runs.get(one.rule)
            if run is None:
                # Readings from before the rule was there may be pending, and they count.
                again[one.rule] = one
            elif not one.evaluator.waits and one.rule not in again:
                changes += step_head(one, run, reading, self._device)

    def pass_time(self, watermark_ms: int) -> list[AlertChange]:
        """Take the watermark: a reading at or before it is late from now on."""
        rules, changes = self._in_force()
        state = self.state
        if watermark_ms <= state.watermark_ms:
            return changes
        count = bisect_right(state.pending, watermark_ms, key=_event_time)
        passed, state.pending = state.pending[:count], state.pending[count:]
        state.watermark_ms = watermark_ms
        for name, run in state.runs.items():
            changes += settle(rules.by_name[name], run, passed, watermark_ms, self._device)
        return changes

    def watch(self, from_ms: int, has_spoken: bool) -> bool:
        """Let rules count silence from a moment on that have seen nothing; tell whether any does from now on.

        Of one that `has_spoken` only the silence itself: which metrics it should send nobody knows.
        """
        has_begun = False
        for one in self._book.rules_for(self._device).by_name.values():
            if not one.evaluator.waits or (has_spoken and one.evaluator.metrics):
                continue
            run = self.state.runs.get(one.rule) or new_run(one)
            if one.evaluator.begin(run.base, from_ms):
                self.state.runs[one.rule] = run
                has_begun = True
        return has_begun

    def hear(self, first: RuleReading) -> None:
        """Take notice that the device speaks: of metrics it did not send, silence counts no more."""
        rules = self._book.rules_for(self._device)
        sent = {one.rule for one in rules.matching(first)}
        for one in rules.by_name.values():
            run = self.state.runs.get(one.rule)
            if run is not None and one.evaluator.metrics and one.rule not in sent:
                one.evaluator.stop(run.base)

    def end_silence(self) -> list[AlertChange]:
        """Clear what is open because a device never spoke: it is not registered any more."""
        rules, changes = self._in_force()
        for name, run in list(self.state.runs.items()):
            if rules.by_name[name].evaluator.waits:
                changes += revise(run, None, self.state.watermark_ms, self._device)[1]
                del self.state.runs[name]
        return changes

    def take_rules(self) -> list[AlertChange]:
        """Bring the device up to the rules in force; `take` and `pass_time` do so themselves."""
        return self._in_force()[1]

    def _in_force(self) -> tuple[DeviceRules, list[AlertChange]]:
        rules = self._book.rules_for(self._device)
        changes: list[AlertChange] = []
        if rules is not self._rules:
            self._rules = rules
            self._revise(rules, changes)
        return rules, changes

    def _revise(self, rules: DeviceRules, changes: list[AlertChange]) -> None:
        state = self.state
        newest_ms = state.pending[-1].event_time_ms if state.pending else state.watermark_ms
        for name, run in list(state.runs.items()):
            one = rules.by_name.get(name)
            if one is not None and (one.version, one.shadow) == (run.version, run.shadow):
                continue
            kept, ended = revise(run, one, newest_ms, self._device)
            changes += ended
            del state.runs[name]
            if kept is not None:
                state.runs[name] = kept


def _insert(pending: list[RuleReading], reading: RuleReading) -> int:
    """Lay a reading in its place and return it, or -1 when it is there already."""
    at_ms = reading.event_time_ms
    if not pending or at_ms > pending[-1].event_time_ms:
        pending.append(reading)
        return len(pending) - 1
    first = bisect_left(pending, at_ms, key=_event_time)
    same = pending[first : bisect_right(pending, at_ms, lo=first, key=_event_time)]
    if reading in same:
        return -1
    place = first + bisect_left(same, order(reading), key=order)
    pending.insert(place, reading)
    return place
