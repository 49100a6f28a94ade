"""Which tier answers which part of a range."""

import pytest

from api.queries.hot_store import HotStore
from api.queries.series import plan
from api.queries.tiers import Found, HotTier, Sought, TierName
from api.queries.timerange import Span
from millrace.clock import from_iso
from udfs.hot_series import expires_at_ms

NOW_MS = from_iso("2026-01-31T12:34:56Z")


class HoldsOnly:
    """A tier that holds a fixed span and nothing in it."""

    def __init__(self, name: TierName, held: Span) -> None:
        self.name: TierName = name
        self.held = held

    def holds(self, now_ms: int) -> Span:
        return self.held

    async def read(self, sought: Sought, span: Span) -> Found:
        return Found({}, [])


HOT = HoldsOnly("hot", Span(100, 200))
WARM = HoldsOnly("warm", Span(0, 150))


@pytest.mark.parametrize(
    ("tiers", "asked", "parts", "missing"),
    [
        ([HOT], Span(110, 150), [("hot", (110, 150))], []),
        ([HOT], Span(50, 150), [("hot", (100, 150))], [(50, 100)]),
        ([HOT], Span(50, 250), [("hot", (100, 200))], [(50, 100), (200, 250)]),
        ([HOT], Span(10, 20), [], [(10, 20)]),
        ([HOT, WARM], Span(50, 150), [("warm", (50, 100)), ("hot", (100, 150))], []),
        ([HOT, WARM], Span(50, 250), [("warm", (50, 100)), ("hot", (100, 200))], [(200, 250)]),
        ([HOT, WARM], Span(10, 20), [("warm", (10, 20))], []),
        ([], Span(10, 20), [], [(10, 20)]),
    ],
)
def test_each_part_goes_to_the_first_tier_that_holds_it_and_the_rest_is_missing(
    tiers: list[HoldsOnly], asked: Span, parts: list[tuple[str, Span]], missing: list[Span]
) -> None:
    chosen = plan(tiers, asked, NOW_MS)
    assert [(tier.name, span) for tier, span in chosen.parts] == parts
    assert chosen.missing == missing


def test_the_hot_tier_promises_a_day_and_nothing_that_redis_may_already_have_dropped(
    store: HotStore,
) -> None:
    held = HotTier(store).holds(NOW_MS)
    assert held.from_ms <= NOW_MS - 24 * 3_600_000
    assert expires_at_ms(held.from_ms) > NOW_MS
    assert held.to_ms >= NOW_MS + 300_000


@pytest.fixture
def store() -> HotStore:
    return HotStore(None)  # type: ignore[arg-type]
