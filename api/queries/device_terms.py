"""Terms of devices, asked of the registry at most once a minute, on one kept connection."""

from asyncio import to_thread
from collections.abc import Iterable, Sequence
from threading import Lock
from typing import Final

import psycopg

from catalog.device_terms import DeviceTerms, device_terms
from catalog.migrations import connect
from millrace.settings import Settings

_KEEP_MS: Final = 60_000
# Bounds the memory to some 20 MB; then all is forgotten.
_MOST_KEPT: Final = 100_000
_NOT_KNOWN: Final = DeviceTerms()


class KnownTerms:
    """What is known of devices by the registry, at most a minute old; without it nothing is known."""

    def __init__(self, config: Settings) -> None:
        self._config = config
        self._known: dict[tuple[str, str], tuple[int, DeviceTerms]] = {}
        self._connection: psycopg.Connection | None = None
        self._turn = Lock()

    async def of(self, tenant: str, device_ids: Sequence[str], now_ms: int) -> dict[str, DeviceTerms]:
        """Return the terms of each device."""
        stale = [name for name in device_ids if self._is_stale(tenant, name, now_ms)]
        if stale:
            await to_thread(self._ask, tenant, stale, now_ms)
        return {name: self._known.get((tenant, name), (0, _NOT_KNOWN))[1] for name in device_ids}

    def _is_stale(self, tenant: str, device_id: str, now_ms: int) -> bool:
        asked_ms, _ = self._known.get((tenant, device_id), (now_ms - _KEEP_MS, None))
        return asked_ms <= now_ms - _KEEP_MS

    def _ask(self, tenant: str, device_ids: list[str], now_ms: int) -> None:
        if len(self._known) > _MOST_KEPT:
            self._known = {}
        with self._turn:
            found = self._found(tenant, device_ids)
        self._known |= {(tenant, name): (now_ms, found.get(name, _NOT_KNOWN)) for name in device_ids}

    def _found(self, tenant: str, device_ids: list[str]) -> dict[str, DeviceTerms]:
        # The second time with a new connection: the database may have been away since the last question.
        for _ in range(2):
            try:
                if self._connection is None:
                    self._connection = connect(self._config)
                    self._connection.autocommit = True
                return device_terms(self._connection, tenant, device_ids)
            except psycopg.Error:
                self.close()
        return {}

    def close(self) -> None:
        """Give the connection back."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None


def shared_zone(terms: Iterable[DeviceTerms]) -> str:
    """Return the zone in which all the devices are, or UTC: they are in several, or nobody knows."""
    zones = {one.zone for one in terms}
    zone = zones.pop() if len(zones) == 1 else None
    return zone or "UTC"
