"""What late readings change: a rule over a device's past, with them and as it was judged live, without.

Up to the first late reading both are one run; from there on there are two. An alert that only the run with
late readings has is one that they raise. Once both runs are in the same state again, their future is the same
too: what was late has had its effect.
"""

from collections.abc import Iterable

import msgspec

from udfs.rules.alerts import Alert, AlertChange, Origin, apply, change
from udfs.rules.condition import Evidence
from udfs.rules.evaluator import State, Transition
from udfs.rules.reading import RuleDevice, RuleReading
from udfs.rules.rule_book import Compiled


class Branch(msgspec.Struct, array_like=True):
    """A run's state and its alert that is open, if any is."""

    state: State
    alerts: list[Alert]

    def fork(self) -> "Branch":
        """Return an independent copy."""
        return Branch(self.state.clone(), list(self.alerts))

    def tell(self, transitions: Iterable[Transition], origin: Origin) -> list[AlertChange]:
        """Take transitions, and return what became of alerts."""
        changes = apply(self.alerts, transitions, origin)
        self.alerts = [alert for alert in self.alerts if alert.cleared_ms is None]
        return changes


class KeptRun(msgspec.Struct, array_like=True):
    """What must be remembered of a run to go on with it; fields added later go to the end with defaults.

    `live` is the run without late readings, None while both are the same. Of the alerts in `anyway` it is
    known that they do not come of late readings. `answered_ms` is the newest reading after a late one that
    says something to the rule, -1 = none; `knows_past` whether one did before the first late one.
    """

    whole: Branch
    live: Branch | None = None
    anyway: set[str] = set()
    answered_ms: int = -1
    knows_past: bool = False


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(KeptRun)


class LateRun:
    """One rule on one device; scope and state of the rule are not asked. All to remember is in `kept`."""

    __slots__ = ("_changes", "_device", "_evaluator", "_origin", "kept")

    def __init__(self, one: Compiled, device: RuleDevice, kept: bytes | None = None) -> None:
        """Begin, or go on from what `encode` returned; msgspec.DecodeError when it is something else."""
        self._evaluator, self._device = one.evaluator, device
        self._origin = Origin(device, one.rule, one.version, one.shadow)
        self.kept = _decoder.decode(kept) if kept else KeptRun(Branch(one.evaluator.initial(), []))
        self._changes: list[AlertChange] = []

    def encode(self) -> bytes:
        """Return what must be remembered, as msgpack."""
        return _encoder.encode(self.kept)

    def take(self, reading: RuleReading, late: bool) -> None:
        """Take the next reading in order (see `reading.order`); those equal in time and content come once."""
        kept = self.kept
        if late and kept.live is None:
            kept.live = kept.whole.fork()
            kept.anyway |= {alert.alert_id for alert in kept.live.alerts}
        if told := self._evaluator.step(kept.whole.state, reading):
            self._note(told)
        if kept.live is None:
            kept.knows_past = kept.knows_past or self._concerns(reading)
        elif not late:
            self._expect(self._evaluator.step(kept.live.state, reading))
            if self._concerns(reading):
                kept.answered_ms = reading.event_time_ms

    def pass_time(self, until_ms: int) -> None:
        """Let time pass until and with `until_ms`."""
        self._note(self._evaluator.pass_time(self.kept.whole.state, until_ms))
        if self.kept.live is not None:
            self._expect(self._evaluator.pass_time(self.kept.live.state, until_ms))

    @property
    def is_over(self) -> bool:
        """Whether what was late has had its effect."""
        return self.kept.live is None

    @property
    def has_open(self) -> bool:
        """Whether an alert that late readings raised lasts."""
        return bool(_own_open(self.kept))

    def changes(self) -> list[AlertChange]:
        """Return what became of alerts that late readings raised since this began or went on, in order."""
        return [
            one._replace(retroactive=True) for one in self._changes if one.alert_id not in self.kept.anyway
        ]

    def _concerns(self, reading: RuleReading) -> bool:
        placed = self._evaluator.located and reading.lat is not None
        return placed or any(metric in reading.metrics for metric in self._evaluator.metrics)

    def _note(self, transitions: Iterable[Transition]) -> None:
        changes = self.kept.whole.tell(transitions, self._origin)
        if self.kept.live is not None:
            self._changes += changes

    def _expect(self, transitions: Iterable[Transition]) -> None:
        kept = self.kept
        assert kept.live is not None
        if transitions:
            kept.anyway |= {one.alert_id for one in kept.live.tell(transitions, self._origin)}
        if kept.live.state == kept.whole.state:
            kept.live = None


def _own_open(kept: KeptRun) -> list[Alert]:
    if kept.live is None:
        return []
    return [alert for alert in kept.whole.alerts if alert.alert_id not in kept.anyway]


def ended(kept: bytes, device: RuleDevice, at_ms: int, reason: str) -> list[AlertChange]:
    """Return what becomes of the alerts of a run that does not go on; msgspec.DecodeError when it is none."""
    evidence: Evidence = {"reason": reason}
    return [
        change(alert, device, "cleared", at_ms, evidence)._replace(retroactive=True)
        for alert in _own_open(_decoder.decode(kept))
    ]
