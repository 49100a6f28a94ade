"""What a rule would have raised on many devices between two times, however much history there is."""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from udfs.rules.alerts import Alert
from udfs.rules.history import PastRun
from udfs.rules.model import Rule
from udfs.rules.reading import RuleDevice, RuleReading

# A reading is in the lake two minutes after it was measured, or it is late.
UNDER_WAY_MS: Final = 120_000


class Judged(NamedTuple):
    """Which rule in which version is tried, on whose devices, for alerts raised in [from_ms, to_ms).

    `counters` are metrics of devices that only grow.
    """

    rule: Rule
    version: int
    tenant: str
    from_ms: int
    to_ms: int
    counters: Mapping[str, tuple[str, ...]] = {}


class Fired(NamedTuple):
    """An alert that a device would have had."""

    device_id: str
    alert: Alert


class Verdict(NamedTuple):
    """How often it fired, on how many of the devices judged, and the first of these alerts by onset."""

    fired: int
    devices_fired: int
    devices_judged: int
    instances: list[Fired]


class Backtest:
    """A rule over the history of many devices, taken in slices of time; `most` instances are kept."""

    def __init__(self, judged: Judged, most: int) -> None:
        self._judged, self._most = judged, most
        self._runs: dict[str, PastRun] = {}
        self._devices: set[str] = set()
        self._kept: list[Fired] = []
        self._fired = 0

    def take(self, device_id: str, readings: Iterable[RuleReading]) -> None:
        """Take a device's readings of a slice, in any order; slices come in order of time.

        Readings of one time that say the same to the rule are one.
        """
        run = self._runs.get(device_id)
        if run is None:
            counters = self._judged.counters.get(device_id, ())
            device = RuleDevice(self._judged.tenant, device_id, counters=counters)
            run = self._runs[device_id] = PastRun(self._judged.rule, device, self._judged.version)
        run.take(readings)
        self._count(device_id, run.over())

    def finish(self, until_ms: int) -> Verdict:
        """Let time pass until and with `until_ms` for all devices, and say what came of it."""
        for device_id, run in self._runs.items():
            run.pass_time(until_ms)
            self._count(device_id, run.alerts())
        self._trim()
        return Verdict(self._fired, len(self._devices), len(self._runs), self._kept)

    def _count(self, device_id: str, alerts: Iterable[Alert]) -> None:
        for alert in alerts:
            if self._judged.from_ms <= alert.raised_ms < self._judged.to_ms:
                self._fired += 1
                self._devices.add(device_id)
                self._kept.append(Fired(device_id, alert))
        if len(self._kept) > 2 * self._most:
            self._trim()

    def _trim(self) -> None:
        self._kept.sort(key=lambda fired: (fired.alert.onset_ms, fired.device_id))
        del self._kept[self._most :]


def passed_until_ms(to_ms: int, newest_ms: int, taken_ms: int) -> int:
    """Return until when time passed: before `to_ms`, and no further than the history can tell.

    That is its newest reading, or two minutes before it was taken (`taken_ms`): a device of which nothing is
    there until then is silent. A clock ahead of `taken_ms` moves nobody's time.
    """
    return min(to_ms - 1, max(min(newest_ms, taken_ms), taken_ms - UNDER_WAY_MS))
