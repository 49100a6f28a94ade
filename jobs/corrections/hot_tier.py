"""The hot tier as the corrector needs it: writing corrected panes, and asking which sessions are open."""

from collections.abc import Collection, Sequence
from typing import Final

import pandas as pd
from redis import Redis

from jobs.runtime.hot_store import write_ranges
from millrace.clock import now_ms
from udfs.hot_series import device_key
from udfs.hot_writes import range_writes

_WRITES: Final = 5_000
_DEVICES: Final = 1_000


class HotTier:
    """Redis; every method raises RedisError when it stays away."""

    def __init__(self, store: Redis) -> None:
        self._store = store

    def put_panes(self, panes: pd.DataFrame) -> None:
        """Lay panes into their slots; the same panes again change nothing."""
        writes = list(range_writes(panes, now_ms()))
        for begin in range(0, len(writes), _WRITES):
            write_ranges(self._store, writes[begin : begin + _WRITES])

    def open_since_ms(self, owners: Collection[str]) -> dict[str, int]:
        """Return the event time at which the open session of a device began, for devices that have one."""
        found: dict[str, int] = {}
        names = sorted(owners)
        for begin in range(0, len(names), _DEVICES):
            found |= self._open_since_ms(names[begin : begin + _DEVICES])
        return found

    def _open_since_ms(self, owners: Sequence[str]) -> dict[str, int]:
        with self._store.pipeline(transaction=False) as pipeline:
            for owner in owners:
                tenant, _, device_id = owner.partition("/")
                pipeline.hget(device_key(tenant, device_id), "@session_start")
            answers = pipeline.execute()
        return {owner: int(start) for owner, start in zip(owners, answers, strict=True) if start}
