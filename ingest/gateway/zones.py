"""The zones of devices as the gateway knows them: a copy of the registry's, read again every two seconds.

No message waits for PostgreSQL. While it is away the last copy counts, and the metrics say how old it is.
"""

import logging
import time
from collections.abc import Callable
from threading import Event, Thread
from typing import Final, Protocol
from zoneinfo import ZoneInfo

from catalog.zones import RegistryUnavailableError, Zones
from ingest.gateway.event_time import ZonesUnknownError

READ_EVERY_S: Final = 2.0
# Longer than PostgreSQL needs to answer or to refuse; a gateway starts without it all the same.
FIRST_WAIT_S: Final = 2.0
_log = logging.getLogger(__name__)


class Reader(Protocol):
    """Reads the zones of the registry."""

    def read(self, known: Zones | None = None) -> Zones:
        """Return the zones as they are now; raise RegistryUnavailableError."""


class ZoneBook:
    """Answers which zone a device writes local times in; call `start` once."""

    def __init__(
        self, reader: Reader, stack_zone: ZoneInfo | None, clock_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._reader = reader
        self._stack_zone = stack_zone
        self._clock_s = clock_s
        self._zones: Zones | None = None
        self._read_at_s: float | None = None
        self._answered = Event()
        self.failures = 0

    def start(self) -> None:
        """Read from now on in a thread of its own; wait a moment for the first answer."""
        Thread(target=self._keep_reading, name="zones", daemon=True).start()
        self._answered.wait(FIRST_WAIT_S)

    def refresh(self) -> bool:
        """Read once; keep what is known and return False when the registry does not answer."""
        try:
            self._zones = self._reader.read(self._zones)
        except RegistryUnavailableError as error:
            self.failures += 1
            if self.failures == 1:
                _log.warning("zones_not_read error=%s", error)
            return False
        if self.failures:
            _log.info("zones_read_again devices=%d", self.count())
        self.failures = 0
        self._read_at_s = self._clock_s()
        return True

    def zone_of(self, tenant: str, device_id: str) -> ZoneInfo | None:
        """Return the zone of a device, its site, its tenant or the stack; None when none is set."""
        zones = self._zones
        if zones is None:
            raise ZonesUnknownError("the registry, which knows the zones, has not answered yet")
        return zones.zone_of(tenant, device_id) or self._stack_zone

    def age_s(self) -> float:
        """Return how long ago the registry last answered (s); infinite when it never did."""
        return float("inf") if self._read_at_s is None else self._clock_s() - self._read_at_s

    def count(self) -> int:
        """Return how many devices have a zone of their own or of their site."""
        return len(self._zones.devices) if self._zones else 0

    def _keep_reading(self) -> None:
        while True:
            self.refresh()
            self._answered.set()
            time.sleep(READ_EVERY_S)
