"""Puts a trial's devices into the registry and waits until the stream can know of them."""

import time
from collections.abc import Collection
from typing import NamedTuple

from bench.log_records import Offsets, Tail, end_offsets
from catalog.migrations import connect
from catalog.registry_entries import RegistryFile
from catalog.registry_store import import_file
from millrace.errors import MillraceError
from millrace.settings import Settings

_PATIENCE_S = 60.0
# From Kafka into the state of the sessions job.
_TAKEN_UP_S = 5.0


class Profile(NamedTuple):
    """By what the devices of a trial are judged; whole seconds."""

    name: str
    offline_after_s: int
    expected_interval_s: int


class Registered(NamedTuple):
    """One device of a trial, at a site."""

    device_id: str
    site: str
    profile: str


def register(settings: Settings, profiles: Collection[Profile], devices: Collection[Registered]) -> None:
    """Write profiles and devices, then wait for their contexts; MillraceError when one does not come."""
    begin = end_offsets(settings, "device-context")
    file = RegistryFile.model_validate(
        {
            "profiles": [
                {
                    "profile": profile.name,
                    "expected_interval_s": profile.expected_interval_s,
                    "offline_after_s": profile.offline_after_s,
                }
                for profile in profiles
            ],
            "devices": [
                {"device_id": device.device_id, "site": device.site, "profile": device.profile}
                for device in devices
            ],
        }
    )
    with connect(settings) as connection:
        import_file(connection, file, settings.tenant)
    _wait_published(settings, begin, {device.device_id for device in devices})
    time.sleep(_TAKEN_UP_S)


def _wait_published(settings: Settings, begin: Offsets, waiting: set[str]) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    with Tail(settings, "device-context", begin) as tail:
        while waiting and time.monotonic() < deadline:
            waiting -= {record.fields["device_id"] for record in tail.read(0.5)}
    if waiting:
        raise MillraceError(
            f"{len(waiting)} of the registered devices never came to `device-context`",
            where=min(waiting),
            mend="`millrace logs contexts` says why.",
        )
