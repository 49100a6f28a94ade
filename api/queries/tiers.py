"""Where panes come from: the hot tier in Redis, and behind the same protocol the lake (`lake_tier`)."""

from collections.abc import Mapping
from typing import Literal, NamedTuple, Protocol

from api.queries.hot_store import HotStore
from api.queries.panes import Panes, combine, decode_hours, inside, join, pane_of
from api.queries.timerange import Span
from udfs.hot_series import HOUR_MS, PANE_MS, hour_start

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
    """Series of a tenant, in panes of `step_ms` or any finer width; `metrics` by device.

    `as_stored`: the finest panes there are, because wider ones forget what happened inside. `newest`: event
    time and value of the newest reading of series, where it is known.
    """

    tenant: str
    metrics: dict[str, tuple[str, ...]]
    any_metric: bool
    step_ms: int
    as_stored: bool = False
    newest: Mapping[Series, tuple[int, float]] = {}

    @property
    def width_ms(self) -> int:
        """Return the widest panes that are good for it: tiers meet at full hours."""
        return min(self.step_ms, HOUR_MS)

    @property
    def hot_width_ms(self) -> int:
        """Return the widest panes that are good for it of those of 10 s."""
        return PANE_MS if self.as_stored else self.width_ms


class Found(NamedTuple):
    """Panes of each series in time order, and what answered each part of the span.

    `open_from_ms`: the last pane has not closed, and holds only the newest value from there on.
    """

    panes: dict[Series, Panes]
    stretches: list[Stretch]
    open_from_ms: Mapping[Series, int] = {}


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
        """Return what the 10 s panes of the span make; the open one is of the newest value alone."""
        series = [(device_id, metric) for device_id, names in sought.metrics.items() for metric in names]
        stored = self._store.hours(sought.tenant, series, *span)
        panes: dict[Series, Panes] = {}
        open_from_ms: dict[Series, int] = {}
        async for one, hours in stored:
            closed = inside(decode_hours(hours), span)
            known, at_ms = _with_open_pane(closed, sought.newest.get(one), span)
            panes[one] = combine(known, sought.hot_width_ms)
            if at_ms is not None:
                open_from_ms[one] = at_ms
        return Found(panes, [Stretch("hot", span)], open_from_ms)


def _with_open_pane(closed: Panes, newest: tuple[int, float] | None, span: Span) -> tuple[Panes, int | None]:
    """Return the panes and when the open one begins: that of the newest reading, if it is not written yet."""
    if newest is None:
        return closed, None
    time_ms, value = newest
    start_ms = time_ms - time_ms % PANE_MS
    is_written = len(closed) and start_ms <= int(closed["start_ms"][-1])
    if is_written or not span.from_ms <= start_ms < span.to_ms:
        return closed, None
    return join([closed, pane_of(start_ms, value)]), start_ms
