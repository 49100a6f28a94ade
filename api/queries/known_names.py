"""What a tenant has, by name: sites, profiles, tags and devices, and the metrics these have sent."""

import anyio.from_thread
from redis.exceptions import RedisError

from api.problems import ProblemError
from api.queries.hot_store import HotStore
from api.queries.known_devices import Reach, fleet_of
from api.queries.lake_access import open_table
from api.queries.registry_access import open_database
from catalog.registered_devices import registered_names
from millrace.settings import Settings
from millrace.unregistered import DEFAULT_PROFILE
from udfs.latest import is_metric
from udfs.rules.unknown_names import KnownNames

# Fields of so many devices are looked at, the newest first: a fleet's metrics repeat.
_MOST_DEVICES = 1_000


def known_names(reach: Reach, tenant: str) -> KnownNames:
    """Return what is known, from a thread of the server; of what nobody can tell now nothing is said."""
    try:
        with open_database(reach.config) as connection:
            registered = registered_names(connection, tenant)
    except ProblemError:
        return KnownNames()
    known = KnownNames(
        sites=registered["sites"],
        tags=registered["tags"],
        profiles={*registered["profiles"], DEFAULT_PROFILE},
    )
    try:
        devices, sent = anyio.from_thread.run(_hot_names, reach, tenant)
        stored = _stored_metrics(reach.config, tenant)
    except (ProblemError, RedisError):
        return known
    return known._replace(devices=devices, metrics=registered["metrics"] | sent | stored)


async def _hot_names(reach: Reach, tenant: str) -> tuple[set[str] | None, set[str]]:
    fleet = await fleet_of(reach, tenant, 0)
    newest = sorted(fleet.devices, reverse=True, key=lambda one: one[:2])[:_MOST_DEVICES]
    sent = await _metrics(reach.store, tenant, [one.device_id for one in newest])
    return None if fleet.unanswered else {one.device_id for one in fleet.devices}, sent


async def _metrics(store: HotStore, tenant: str, devices: list[str]) -> set[str]:
    states = await store.device_states(tenant, devices) if devices else []
    return {name.decode() for state in states for name in state if is_metric(name)}


def _stored_metrics(config: Settings, tenant: str) -> set[str]:
    from catalog.lake_devices import stored_metrics

    with open_table(config, "rollups_1m") as rollups:
        return stored_metrics(rollups, tenant)
