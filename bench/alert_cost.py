"""What a reading costs the alerts job with many rules: with all of them, and with those that match.

Preloaded readings are drained by the job alone, as in bench/drain.py. The rules of a run stay for the next;
each run's readings lie behind those of the run before, in event time too, or they would be late. The stack
is a fresh one, and all lies in the past: marks of the clock go no further than the wall clock, and readings
ahead of it would wait for the watermark for minutes. The first run warms the JVMs up and does not count.
"""

import time
from collections.abc import Iterator
from typing import Final, NamedTuple

from bench.drain import Source, keeping, supervisor
from bench.preload import METRICS, preload
from bench.processes import cpu_seconds
from bench.rules_in_force import Definition, put_in_force, threshold
from millrace.clock import now_ms
from millrace.settings import Settings

# All rules, and how many of them judge each device.
SERIES: Final = ((1, 1), (10, 1), (100, 1), (1_000, 1), (1_000, 3), (1_000, 10))
_WARM_UP: Final = (1, 1)
DEVICES: Final = 2_000
_TENANT: Final = "bench"
# Never reached: what is measured is judging, not telling.
_LIMIT: Final = 1e9
_APART_MS: Final = 200_000
_JOB, _TABLE = "alerts", "judged"


class AlertCost(NamedTuple):
    """CPU of Flink and its Python workers for some readings under some rules."""

    rules: int
    matching: int
    readings: int
    cpu_s: float
    seconds: float

    @property
    def per_cpu_second(self) -> float:
        """Return readings per CPU-second."""
        return self.readings / self.cpu_s


def alert_costs(settings: Settings, count: int, warm_up: int) -> Iterator[AlertCost]:
    """Measure one run after the other on a running stack, whose own keeper ends for good."""
    supervisor(settings, "stop", "keeper", "ledger", "corrector")
    rules: dict[str, Definition] = {}
    run_ms = _APART_MS + 1000 * (count + warm_up) // DEVICES
    end_ms = now_ms() - (1 + len(SERIES)) * run_ms
    for number, (total, matching) in enumerate((_WARM_UP, *SERIES)):
        wanted = {rule["rule"]: rule for rule in rules_of(total, matching)}
        changed = [rule for name, rule in wanted.items() if rules.get(name) != rule]
        if changed:
            put_in_force(settings, changed, _TENANT)
        rules = wanted
        end_ms += run_ms
        preload(settings.address("kafka"), warm_up + count, DEVICES, end_ms)
        found = _drained(settings, AlertCost(total, matching, count, 0.0, 0.0), warm_up)
        if number:
            yield found


def _drained(settings: Settings, asked: AlertCost, warm_up: int) -> AlertCost:
    with keeping(settings, _JOB):
        source = Source(settings, _JOB, _TABLE)
        source.wait_for(warm_up)
        started, cpu_before, already = time.monotonic(), cpu_seconds(), source.read()
        source.wait_for(warm_up + asked.readings)
        spent = cpu_seconds() - cpu_before
        cpu_s = spent["taskmanager"] + spent["python workers"]
        return asked._replace(
            readings=source.read() - already, cpu_s=cpu_s, seconds=time.monotonic() - started
        )


def rules_of(total: int, matching: int) -> Iterator[Definition]:
    """Yield `total` rules of which `matching` judge every device; others are for other metrics or devices."""
    for number in range(total):
        name, metric = f"cost-{number:04d}", METRICS[number % len(METRICS)]
        if number < matching:
            yield threshold(name, metric, _LIMIT)
        elif number % 2:
            yield threshold(name, f"metric_{number}", _LIMIT)
        else:
            yield threshold(name, metric, _LIMIT, scope={"devices": [f"elsewhere-{number}"]})
