"""A registered fleet that speaks over MQTT, and what the stack tells of it: how trials of presence begin."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import partial

from bench.event_watch import EventWatch
from bench.registered import Profile, Registered, register
from bench.storm_fleet import Site, SiteFleet, running
from ingest.replay.way import open_sender
from millrace.clock import now_ms
from millrace.settings import Settings


@contextmanager
def watched_fleet(
    settings: Settings, run: str, sites: Collection[Site], offline_after_s: int, interval_s: int
) -> Iterator[tuple[EventWatch, list[SiteFleet]]]:
    """Register the devices of a run, watch its events and let the devices speak; stop them at the end."""
    profile = Profile(run, offline_after_s, interval_s)
    register(settings, [profile], [Registered(d, s.name, profile.name) for s in sites for d in s.devices])
    connect = partial(open_sender, "mqtt", settings, settings.tenant, None)
    with (
        EventWatch(settings, f"{run}-") as watch,
        running(sites, 1000 * interval_s, connect, now_ms) as fleets,
    ):
        yield watch, fleets
