"""Where panes come from: the hot tier in Redis, and behind the same protocol the lake (`lake_tier`)."""

from typing import Literal, NamedTuple, Protocol

from api.queries.hot_store import HotStore
from api.queries.panes import Panes, combine, decode_hours, inside
from api.queries.timerange import Span
from udfs.hot_series import HOUR_MS, hour_start

TierName = Literal["hot", "warm", "cold"]
# A device and a metric.
Series = tuple[str, str]
DAY_MS = 86_400_000
# The gateway refuses times more than 5 min ahead; whatever lies further cannot exist.
AHEAD_MS = 300_000


class Source(NamedTuple):
    """A table of the lake at one snapshot."""

    table: str
    snapshot_id: int
    committed_ms: int


class Stretch(NamedTuple):
    """A part of a range: which tier answered it, and from what."""

    tier: TierName
    span: Span
    sources: tuple[Source, ...] = ()


class Sought(NamedTuple):
    """Series of a tenant, in panes of `step_ms` or any finer width; `metrics` by device."""

    tenant: str
    metrics: dict[str, tuple[str, ...]]
    any_metric: bool
    step_ms: int

    @property
    def width_ms(self) -> int:
        """Return the widest panes that are good for it: tiers meet at full hours."""
        return min(self.step_ms, HOUR_MS)


class Found(NamedTuple):
    """Panes of each series in time order, and what answered each part of the span."""

    panes: dict[Series, Panes]
    stretches: list[Stretch]


class SeriesTier(Protocol):
    """A store that can answer a range of some series."""

    name: TierName

    def holds(self, now_ms: int) -> Span:
        """Return the range of event time this tier holds without loss."""
        ...

    async def read(self, sought: Sought, span: Span) -> Found:
        """Return the panes that start inside the span, of any width that divides an hour."""
        ...


def horizon_ms(now_ms: int) -> int:
    """Return where the future begins, in which nothing can have been measured."""
    return hour_start(now_ms + AHEAD_MS) + HOUR_MS


class HotTier:
    """The last 24 hours in Redis, in 10 s panes, back to the start of the hour; or fewer of them."""

    name: TierName = "hot"

    def __init__(self, store: HotStore, most_hours: int = 24) -> None:
        self._store = store
        self._back_ms = min(DAY_MS, most_hours * HOUR_MS)

    def holds(self, now_ms: int) -> Span:
        """Return the last 24 h; hour strings live 25 h, so the oldest hour is still whole."""
        return Span(hour_start(now_ms - self._back_ms), horizon_ms(now_ms))

    async def read(self, sought: Sought, span: Span) -> Found:
        """Return what the 10 s panes of the span make."""
        series = [(device_id, metric) for device_id, names in sought.metrics.items() for metric in names]
        stored = self._store.hours(sought.tenant, series, *span)
        panes = {
            one: combine(inside(decode_hours(hours), span), sought.width_ms) async for one, hours in stored
        }
        return Found(panes, [Stretch("hot", span)])
