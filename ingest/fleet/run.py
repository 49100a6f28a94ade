"""Starts both halves of the fleet and stops them cleanly."""

import logging
import signal
from functools import partial
from threading import Event
from typing import NamedTuple

from ingest.fleet.connections import connect_each
from ingest.fleet.faults import Fault, place_fault
from ingest.fleet.lane import Lane, Rhythm
from ingest.fleet.machines import Machine, build
from ingest.replay.way import Sender, open_sender
from millrace.clock import now_ms
from millrace.settings import Settings

log = logging.getLogger("millrace.fleet")
# HTTP devices collect a second's readings into a batch, MQTT devices speak at once.
_TICK_S = {"mqtt": 0.05, "http": 1.0}
_REPORT_S = 60.0
_GOODBYE_S = 8.0
# Each connection is a thread here and a queue in the broker; a larger fleet shares one, without last wills.
MOST_CONNECTIONS = 100


class Fleet(NamedTuple):
    """Size and behaviour of a fleet; rates per device and second, and per minute for the whole fleet."""

    devices: int
    rate_hz: float
    seed: int
    malformed_per_minute: float
    seconds: float | None


def run(fleet: Fleet, settings: Settings, tenant: str) -> None:
    """Run until SIGTERM, SIGINT or the end of `seconds`."""
    stop = _stop_on_signals()
    machines = build(fleet.devices, fleet.seed)
    fault = place_fault([machine.device_id for machine in machines], now_ms())
    log.info("%d devices of tenant %s, %.3g readings/s each", fleet.devices, tenant, fleet.rate_hz)
    if fault is not None:
        log.info(fault.announcement())
    lanes = _lanes(fleet, machines, fault, stop, settings, tenant)
    for lane in lanes:
        lane.start()
    _watch(lanes, stop, fleet.seconds)
    for lane in lanes:
        lane.join(_GOODBYE_S)
    _report(lanes)


def _stop_on_signals() -> Event:
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


def _lanes(
    fleet: Fleet, machines: list[Machine], fault: Fault | None, stop: Event, settings: Settings, tenant: str
) -> list[Lane]:
    # Kinds come in turn, so halves by pairs of four keep every kind in both.
    halves = {
        "mqtt": [machine for n, machine in enumerate(machines) if n // 4 % 2 == 0],
        "http": [machine for n, machine in enumerate(machines) if n // 4 % 2 == 1],
    }
    return [
        Lane(
            via,
            half,
            Rhythm(fleet.rate_hz, fleet.malformed_per_minute / 2, _TICK_S[via]),
            open_sender=partial(_open, via, [machine.device_id for machine in half], settings, tenant),
            fault=fault,
            clock_ms=now_ms,
            stop=stop,
        )
        for via, half in halves.items()
        if half
    ]


def _open(via: str, device_ids: list[str], settings: Settings, tenant: str) -> Sender:
    if via == "mqtt" and len(device_ids) <= MOST_CONNECTIONS:
        return connect_each(settings, tenant, device_ids)
    return open_sender(via, settings, tenant)


def _watch(lanes: list[Lane], stop: Event, seconds: float | None) -> None:
    waited = 0.0
    while not stop.is_set() and (seconds is None or waited < seconds):
        pause = _REPORT_S if seconds is None else min(_REPORT_S, seconds - waited)
        stop.wait(pause)
        waited += pause
        _report(lanes)
    stop.set()


def _report(lanes: list[Lane]) -> None:
    for lane in lanes:
        log.info(
            "%s: sampled=%d acknowledged=%d refused=%d dropped=%d",
            lane.name,
            lane.sampled,
            lane.acknowledged,
            lane.refused,
            lane.dropped,
        )
