"""Part of a site falls silent, the stack restarts, the silent return: what a running stack tells of it."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import httpx

from bench.event_watch import TOPIC, EventWatch
from bench.storm_fleet import Site, SiteFleet, sites_of
from bench.storm_verdict import (
    Delays,
    judge_restart,
    judge_return,
    judge_silence,
    offline_delays,
    percentiles,
)
from bench.watched_fleet import watched_fleet
from millrace.errors import MillraceError
from millrace.settings import ROOT, Settings

_ALL_ONLINE_S = 90.0
_LATECOMERS_S = 10.0
_LOOK_EVERY_S = 0.5
_PAGE = 1000
Say = Callable[[str], None]


class Storm(NamedTuple):
    """Size and rhythm of a trial; `calm_s` is how long nothing may be told after the restart.

    Who falls silent must be told offline within `promised_s` after `offline_after_s`.
    """

    devices: int = 1_000
    sites: int = 5
    stopped: int = 100
    offline_after_s: int = 20
    interval_s: int = 5
    calm_s: float = 90.0
    promised_s: float = 5.0


class StormFigures(NamedTuple):
    """What a storm trial came to; delays count from a device's last message until its event was read."""

    devices: int
    offline_events: int
    site_events: int
    detection: Delays
    shown_by_api_s: float
    restart_s: float
    returned: int
    differences: list[str]


def run_storm_trial(settings: Settings, storm: Storm, run: str, say: Say) -> StormFigures:
    """Register and start the fleet, stop part of a site, restart the stack, let them return; judge each."""
    sites = sites_of(f"{run}-", storm.sites, storm.devices)
    say(f"registering {storm.devices} devices at {storm.sites} sites")
    with watched_fleet(settings, run, sites, storm.offline_after_s, storm.interval_s) as (watch, fleets):
        return _Trial(settings, storm, sites, fleets, watch, say).run()


class _Trial:
    def __init__(
        self,
        settings: Settings,
        storm: Storm,
        sites: list[Site],
        fleets: list[SiteFleet],
        watch: EventWatch,
        say: Say,
    ) -> None:
        self._settings = settings
        self._storm = storm
        self._site, self._fleet = sites[0], fleets[0]
        self._stopped = sites[0].devices[: storm.stopped]
        self._everybody = [device for site in sites for device in site.devices]
        self._watch = watch
        self._say = say
        self._differences: list[str] = []

    def run(self) -> StormFigures:
        self._bring_online()
        delays, shown_s = self._fall_silent()
        silence = self._watch.events()
        restart_s = self._restart()
        returned = self._return()
        return StormFigures(
            devices=len(self._everybody),
            offline_events=sum(event.type == "offline" for event in silence),
            site_events=sum(event.type == "site_silent" for event in silence),
            detection=percentiles(delays.values()),
            shown_by_api_s=round(shown_s, 1),
            restart_s=round(restart_s, 1),
            returned=returned,
            differences=self._differences,
        )

    def _blame(self, when: str, faults: list[str]) -> None:
        self._differences += [f"{when}: {fault}" for fault in faults]

    def _bring_online(self) -> None:
        number = len(self._everybody)
        events = self._watch.wait("online", number, 0, _ALL_ONLINE_S)
        online = {event.device_id for event in events if event.type == "online"}
        if len(online) < number:
            raise MillraceError(
                f"{len(online)} of {number} devices came online",
                where=TOPIC,
                mend="`millrace status` and `millrace logs keeper` say what is missing.",
            )
        # Two rounds of everybody: nobody may be called offline while all speak.
        time.sleep(2 * self._storm.interval_s)
        faults = judge_restart(self._watch.events(), self._everybody)
        self._blame("while all spoke", faults)
        self._say(f"{number} devices are online")

    def _fall_silent(self) -> tuple[dict[str, int], float]:
        since = len(self._watch.events())
        self._fleet.silence(self._stopped)
        last_sent_ms = {device: self._fleet.last_sent_ms[device] for device in self._stopped}
        limit_ms = round(1000 * (self._storm.offline_after_s + self._storm.promised_s))
        stopped = time.monotonic()
        self._watch.wait("offline", len(self._stopped), since, limit_ms / 1000 + _LATECOMERS_S)
        shown_s = self._wait_shown("offline", len(self._stopped), stopped)
        time.sleep(_LATECOMERS_S)
        events = self._watch.events(since)
        faults = judge_silence(events, last_sent_ms, self._site.name, len(self._site.devices), limit_ms)
        self._blame("after the stop", faults)
        self._say(f"{len(self._stopped)} devices of {self._site.name} fell silent")
        return offline_delays(events, last_sent_ms), shown_s

    def _wait_shown(self, state: str, number: int, began: float) -> float:
        """Wait until the API shows `number` devices of the site in a state; return seconds since `began`."""
        deadline = time.monotonic() + _LATECOMERS_S
        while (found := self._shown(state)) != number and time.monotonic() < deadline:
            time.sleep(_LOOK_EVERY_S)
        if found != number:
            self._blame("API", [f"{found} devices of {self._site.name} {state}, expected {number}"])
        return time.monotonic() - began

    def _shown(self, state: str) -> int:
        asked: dict[str, str | int] = {"state": state, "site": self._site.name, "limit": _PAGE}
        reply = httpx.get(f"http://{self._settings.address('api')}/devices", params=asked, timeout=10)
        devices: list[dict[str, Any]] = reply.raise_for_status().json()["devices"]
        return sum(device["state"] == state for device in devices)

    def _restart(self) -> float:
        since = len(self._watch.events())
        began = time.monotonic()
        for words in (("down",), ("up",)):
            self._say(f"millrace {' '.join(words)}")
            _millrace(self._settings, *words)
        restart_s = time.monotonic() - began
        self._say(f"the stack is back after {restart_s:.0f} s; {self._storm.calm_s:.0f} s of calm")
        time.sleep(self._storm.calm_s)
        living = set(self._everybody) - set(self._stopped)
        self._blame("after the restart", judge_restart(self._watch.events(since), living))
        return restart_s

    def _return(self) -> int:
        since = len(self._watch.events())
        self._fleet.wake(self._stopped)
        patience_s = 2 * self._storm.interval_s + _LATECOMERS_S
        self._watch.wait("online", len(self._stopped), since, patience_s)
        self._wait_shown("online", len(self._site.devices), time.monotonic())
        events = self._watch.events(since)
        self._blame("after the return", judge_return(events, self._stopped, self._site.name))
        self._say(f"{len(self._stopped)} devices returned")
        return sum(event.type == "online" for event in events)


def _millrace(settings: Settings, *words: str) -> None:
    command = [sys.executable, "-m", "millrace.cli", *words]
    environment = {**os.environ, **settings.environment()}
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise MillraceError(
            f"`millrace {' '.join(words)}` failed: {done.stderr[-2000:]}", mend="See its logs."
        )
