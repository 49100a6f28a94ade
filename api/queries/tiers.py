"""Where panes come from: the hot tier in Redis now, a history tier behind the same protocol later."""

from typing import Literal, Protocol

from api.queries.hot_store import HotStore
from api.queries.panes import Panes, decode_hour, join
from api.queries.timerange import Span
from udfs.hot_series import hour_start

TierName = Literal["hot", "history"]
DAY_MS = 86_400_000
# The gateway refuses times more than 5 min ahead; whatever lies further cannot exist.
AHEAD_MS = 300_000


class SeriesTier(Protocol):
    """A store that can answer a range of one metric of one device."""

    name: TierName

    def holds(self, now_ms: int) -> Span:
        """Return the range of event time this tier holds without loss."""
        ...

    async def panes(self, tenant: str, device_id: str, metric: str, span: Span) -> Panes:
        """Return the panes that start inside the span, in time order, of any width that divides an hour."""
        ...


class HotTier:
    """The last 24 hours in Redis, in 10 s panes, back to the start of the hour."""

    name: TierName = "hot"

    def __init__(self, store: HotStore) -> None:
        self._store = store

    def holds(self, now_ms: int) -> Span:
        """Return the last 24 h; hour strings live 25 h, so the oldest hour is still whole."""
        return Span(hour_start(now_ms - DAY_MS), hour_start(now_ms + AHEAD_MS) + 3_600_000)

    async def panes(self, tenant: str, device_id: str, metric: str, span: Span) -> Panes:
        """Return the 10 s panes of the span."""
        hours = await self._store.hours(tenant, device_id, metric, *span)
        return join([decode_hour(start_ms, stored) for start_ms, stored in hours], span)
