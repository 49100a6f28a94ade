"""Expected intervals of devices, asked of the registry at most once a minute, on one kept connection."""

from asyncio import to_thread
from collections.abc import Sequence
from threading import Lock
from typing import Final

import psycopg

from catalog.expected_intervals import expected_intervals_ms
from catalog.migrations import connect
from millrace.settings import Settings

_KEEP_MS: Final = 60_000
# Bounds the memory to some 20 MB; then all is forgotten.
_MOST_KEPT: Final = 100_000


class ExpectedIntervals:
    """What is known of devices by the registry, at most a minute old; without it nothing is known."""

    def __init__(self, config: Settings) -> None:
        self._config = config
        self._known: dict[tuple[str, str], tuple[int, int | None]] = {}
        self._connection: psycopg.Connection | None = None
        self._turn = Lock()

    async def of(self, tenant: str, device_ids: Sequence[str], now_ms: int) -> dict[str, int]:
        """Return the intervals that are known, milliseconds."""
        stale = [name for name in device_ids if self._is_stale(tenant, name, now_ms)]
        if stale:
            await to_thread(self._ask, tenant, stale, now_ms)
        kept = {name: self._known[tenant, name][1] for name in device_ids if (tenant, name) in self._known}
        return {name: interval_ms for name, interval_ms in kept.items() if interval_ms is not None}

    def _is_stale(self, tenant: str, device_id: str, now_ms: int) -> bool:
        asked_ms, _ = self._known.get((tenant, device_id), (now_ms - _KEEP_MS, None))
        return asked_ms <= now_ms - _KEEP_MS

    def _ask(self, tenant: str, device_ids: list[str], now_ms: int) -> None:
        if len(self._known) > _MOST_KEPT:
            self._known = {}
        with self._turn:
            found = self._found(tenant, device_ids)
        self._known |= {(tenant, name): (now_ms, found.get(name)) for name in device_ids}

    def _found(self, tenant: str, device_ids: list[str]) -> dict[str, int]:
        # The second time with a new connection: the database may have been away since the last question.
        for _ in range(2):
            try:
                if self._connection is None:
                    self._connection = connect(self._config)
                    self._connection.autocommit = True
                return expected_intervals_ms(self._connection, tenant, device_ids)
            except psycopg.Error:
                self.close()
        return {}

    def close(self) -> None:
        """Give the connection back."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None
