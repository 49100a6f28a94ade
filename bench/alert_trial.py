"""Recorded readings in disorder through a running stack with rules, and the alerts that must come of them."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from typing import Any, NamedTuple

import duckdb

from bench.alert_cases import Found, expected
from bench.alert_recording import Recording, record
from bench.disorder import sentinels
from bench.event_time import StreamTime
from bench.processes import kill
from bench.rules_by_api import rules_by_api
from bench.stored import stored_readings, wait_until
from bench.told_alerts import Backtested, backtest, kept_alerts, stored_history
from ingest.replay.drive import Driver
from ingest.replay.message import Message
from ingest.replay.way import Sender, open_sender
from millrace.clock import now_ms, to_iso
from millrace.errors import MillraceError
from millrace.settings import Settings
from tests.oracle.expected import expect

JOB = "alerts"
_GIVE_UP_S = 120.0
_ONE_LOOK_S = 2.0
Say = Callable[[str], None]
Conditions = Mapping[str, dict[str, Any]]


class Trial(NamedTuple):
    """What is sent, from when on (None: as recorded), and which service is killed in the middle.

    `speed` is seconds of event time sent in one, None = that of the data set.
    """

    dataset: str
    limit: int | None = None
    start_ms: int | None = None
    speed: float | None = None
    kill: str | None = None


class Compared(NamedTuple):
    """How many alerts of one rule there are by the oracle and in each place."""

    case: str
    kind: str
    expected: int
    postgres: int
    lake: int
    backtest: int
    backtest_ms: int


class Figures(NamedTuple):
    """What a trial came to; `told` counts rows of iot.alert_events by kind."""

    messages: int
    duplicates: int
    late: int
    cases: list[Compared]
    told: dict[str, int]
    sending_s: float
    settled_s: float
    differences: list[str]


def run_alert_trial(settings: Settings, trial: Trial, run: str, patience_s: float, say: Say) -> Figures:
    """Create rules, send, wait until all stands still, compare, take the rules away again.

    `run` stands before the names of devices and rules: lower-case letters, digits and dashes.
    """
    come_ms = StreamTime(settings, JOB).watermark_ms() or 0
    recording = record(trial.dataset, run, trial.limit, trial.start_ms, come_ms, now_ms())
    say(f"event time goes from {to_iso(recording.start_ms)} to {to_iso(recording.sentinel_ms)}")
    conditions = {recording.prefix + case: when for case, when in recording.judged.conditions.items()}
    devices, wanted = _expectation(recording, conditions)
    say(f"{len(wanted):,} alerts of {len(conditions)} rules on {len(devices)} devices are expected")
    with rules_by_api(settings, conditions, devices):
        began = time.monotonic()
        messages = _send(settings, recording, trial.speed or recording.judged.speed, trial.kill)
        sending_s = time.monotonic() - began
        say(f"{messages:,} messages sent")
        alerts = (len(wanted), _over(wanted))
        ready = (messages, *alerts, *alerts)
        settled_s = _settle(settings, recording.prefix, conditions, ready, patience_s, say)
        figures = _compare(settings, recording, conditions, wanted, messages)
    return figures._replace(sending_s=round(sending_s, 1), settled_s=round(settled_s, 1))


def _expectation(recording: Recording, conditions: Conditions) -> tuple[list[str], list[Found]]:
    """Return the devices of a recording, and every alert the oracle finds on them."""
    with closing(duckdb.connect()) as connection:
        expect(connection, recording.name, list(recording.files), recording.sent)
        devices = connection.execute("SELECT DISTINCT device_id FROM expected_points ORDER BY 1").fetchall()
        found = [one for rule, when in conditions.items() for one in expected(connection, rule, when)]
    return [device_id for (device_id,) in devices], found


def _send(settings: Settings, recording: Recording, speed: float, victim: str | None) -> int:
    """Send the recording and what moves event time past its end; return the number of its messages."""
    messages = recording.messages()
    ends = [
        Message(one.device_id, one.event_time_ms, one.payload)
        for one in sentinels(recording.prefix, recording.sentinel_ms)
    ]
    middle = len(messages) // 2
    sender = open_sender("mqtt", settings, settings.tenant)
    with closing(sender):
        _send_some(sender, messages[:middle], speed)
        if victim:
            kill(victim)
        _send_some(sender, messages[middle:], speed)
        _send_some(sender, ends, None)
    return len(messages)


def _send_some(sender: Sender, messages: list[Message], speed: float | None) -> None:
    driver = Driver(sender, speed=speed, give_up_after_s=_GIVE_UP_S, report=lambda _: None)
    driver.run(messages)
    if driver.stalled or sender.refused:
        raise MillraceError(
            f"the broker took no more: {sender.refusal or 'no acknowledgement'}",
            where="mqtt",
            mend="See `millrace status`.",
        )


def _settle(
    settings: Settings,
    prefix: str,
    conditions: Conditions,
    wanted: tuple[int, ...],
    patience_s: float,
    say: Say,
) -> float:
    """Wait until all readings and alerts are where they belong, or nothing moves any more."""

    def look() -> tuple[int, ...]:
        places = (kept_alerts(settings, conditions), stored_history(settings, prefix).alerts)
        readings = len(stored_readings(settings, prefix, "mark"))
        return (readings, *(number for place in places for number in (len(place), _over(place))))

    settled_s = wait_until(
        look,
        wanted,
        patience_s,
        lambda found: say("readings {:,}; alerts {:,}, over {:,}; stored {:,}, over {:,}".format(*found)),
    )
    # What comes too much comes with the next checkpoint.
    time.sleep(settings.flink.checkpoint_interval_ms / 1000 + _ONE_LOOK_S)
    return settled_s


def _over(alerts: Iterable[Found]) -> int:
    return sum(alert.cleared_ms is not None for alert in alerts)


def _compare(
    settings: Settings, recording: Recording, conditions: Conditions, wanted: list[Found], messages: int
) -> Figures:
    history = stored_history(settings, recording.prefix)
    backtests = {
        rule: backtest(settings, rule, recording.start_ms, recording.sentinel_ms) for rule in conditions
    }
    places = {
        "PostgreSQL": kept_alerts(settings, conditions),
        "iot.alert_events": history.alerts,
        "backtest": [alert for found in backtests.values() for alert in found.alerts],
    }
    marks = Counter(stored_readings(settings, recording.prefix, "mark")["mark"].to_pylist())
    cases = _cases(conditions, recording.prefix, wanted, places, backtests)
    return Figures(
        messages=messages,
        duplicates=marks["duplicate"],
        late=marks["late"],
        cases=cases,
        told=dict(history.kinds),
        sending_s=0.0,
        settled_s=0.0,
        differences=[
            *_readings_missing(marks.total(), messages),
            *(line for place, found in places.items() for line in differences(place, wanted, found)),
            *(f"the trial shows nothing of {case.case}: no alert" for case in cases if not case.expected),
        ],
    )


def _readings_missing(stored: int, messages: int) -> list[str]:
    return [] if stored == messages else [f"iot.readings: {stored:,} rows of {messages:,} messages"]


def _cases(
    conditions: Conditions,
    prefix: str,
    wanted: list[Found],
    places: Mapping[str, list[Found]],
    backtests: Mapping[str, Backtested],
) -> list[Compared]:
    by_oracle, kept, stored, tried = (
        Counter(one.case for one in found) for found in (wanted, *places.values())
    )
    return [
        Compared(
            rule.removeprefix(prefix),
            str(when["kind"]),
            by_oracle[rule],
            kept[rule],
            stored[rule],
            tried[rule],
            backtests[rule].took_ms,
        )
        for rule, when in conditions.items()
    ]


def differences(place: str, wanted: Iterable[Found], found: Iterable[Found]) -> list[str]:
    """Return a line for each rule whose alerts are not those wanted, each once."""
    missing, extra = Counter(wanted), Counter(found)
    missing, extra = missing - extra, extra - missing
    lines = []
    for rule in sorted({one.case for one in (missing | extra)}):
        lost, more = (sorted(one for one in side if one.case == rule) for side in (missing, extra))
        numbers = f"{len(lost)} missing, {len(more)} too many"
        lines.append(f"{place}: {rule}: {numbers}; first missing {lost[:1]}, first too many {more[:1]}")
    return lines
