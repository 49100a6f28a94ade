"""From a device's publish to the record in topic `alerts`, at a steady rate under one rule for all."""

from typing import Final

import numpy as np

from bench.alert_judgement import delays_ms, judge_log
from bench.alert_log import begin_of
from bench.alert_waves import Waves, send
from bench.freshness import Percentiles
from bench.log_records import LogRecord
from bench.rules_in_force import in_force, threshold
from millrace.clock import now_ms
from millrace.errors import MillraceError
from millrace.settings import Settings

GOAL_P99_MS: Final = 1_000
_RAISE_ABOVE: Final = 60.0
_PERIOD_S: Final = 10.0
_DEVICES: Final = 1_000
_OVER_MQTT: Final = 50
_PATIENCE_S: Final = 60.0


def alert_latency(settings: Settings, rate: int, seconds: float, warm_up_s: float) -> dict[str, Percentiles]:
    """Return the delays of raising and clearing after the warm-up, by the way readings came.

    Straight into the log is as the gateways write; both count from when the reading was due to be sent.
    """
    run = f"a{now_ms():x}"
    waves = Waves(run, _DEVICES, rate, warm_up_s + seconds, _PERIOD_S, _OVER_MQTT)
    begin = begin_of(settings)
    with in_force(settings, [threshold(f"{run}-latency", waves.metric, _RAISE_ABOVE)]):
        started_ms = now_ms()
        sent = send(settings, waves)
        found = judge_log(settings, begin, waves, _PATIENCE_S)
    # A delay of those that were told says nothing while others are missing.
    if found.verdict.differences:
        raise MillraceError("; ".join(found.verdict.differences), where="alerts")
    if sent.per_s < 0.95 * rate:
        raise MillraceError(
            f"this machine sends {sent.per_s:,.0f} readings/s, not {rate:,}", mend="Ask for a lower rate."
        )
    counted = [one for one in found.told if one.fields["at_ms"] >= started_ms + 1000 * warm_up_s]
    mqtt = {waves.device(place) for place in range(waves.over_mqtt)}
    return {
        "straight into the log": _percentiles([r for r in counted if r.fields["device_id"] not in mqtt]),
        "over MQTT": _percentiles([r for r in counted if r.fields["device_id"] in mqtt]),
    }


def _percentiles(told: list[LogRecord]) -> Percentiles:
    delays = delays_ms(told)
    p50, p99 = np.percentile(delays, [50, 99])
    return Percentiles(len(delays), float(p50), float(p99), float(max(delays)))
