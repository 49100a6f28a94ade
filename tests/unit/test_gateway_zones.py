"""The gateway's copy of the zones: who is asked first, and what holds while the registry is away."""

from zoneinfo import ZoneInfo

import pytest
from prometheus_client import generate_latest

from catalog.zones import RegistryUnavailableError, Zones
from ingest.gateway.event_time import ZonesUnknownError
from ingest.gateway.metrics import GatewayMetrics
from ingest.gateway.zones import ZoneBook

pytestmark = pytest.mark.gateway

KNOWN = Zones((1,), {"demo/d1": "Asia/Tokyo"}, {"demo": "Europe/Berlin"})


class Registry:
    """A registry that answers what it is set to, or not at all."""

    def __init__(self, answer: Zones | None) -> None:
        self.answer = answer

    def read(self, known: Zones | None = None) -> Zones:
        if self.answer is None:
            raise RegistryUnavailableError("away")
        return self.answer


def name(zone: ZoneInfo | None) -> str | None:
    return None if zone is None else zone.key


def test_the_most_specific_zone_counts_first() -> None:
    book = ZoneBook(Registry(KNOWN), ZoneInfo("America/Lima"))
    assert book.refresh()
    found = [name(book.zone_of(*who)) for who in (("demo", "d1"), ("demo", "d2"), ("other", "d1"))]
    assert found == ["Asia/Tokyo", "Europe/Berlin", "America/Lima"]
    assert ZoneBook(Registry(KNOWN), None).refresh()


def test_without_any_zone_there_is_none() -> None:
    book = ZoneBook(Registry(Zones((), {}, {})), None)
    book.refresh()
    assert book.zone_of("demo", "d1") is None


def test_the_last_copy_holds_while_the_registry_is_away_and_its_age_is_shown() -> None:
    now_s = [100.0]
    registry = Registry(KNOWN)
    book = ZoneBook(registry, None, lambda: now_s[0])
    metrics = GatewayMetrics("http")
    metrics.watch_zones(book.age_s, book.count)

    def shown(figure: str) -> str:
        lines = generate_latest(metrics.registry).decode().splitlines()
        return next(
            line.split()[-1] for line in lines if line.startswith(f"millrace_gateway_zones_{figure}{{")
        )

    assert (shown("age_seconds"), shown("devices")) == ("+Inf", "0.0")
    book.refresh()
    registry.answer, now_s[0] = None, 145.0
    assert not book.refresh()
    assert (shown("age_seconds"), shown("devices")) == ("45.0", "1.0")
    assert name(book.zone_of("demo", "d1")) == "Asia/Tokyo"
    registry.answer = KNOWN._replace(devices={})
    assert book.refresh()
    assert (shown("age_seconds"), name(book.zone_of("demo", "d1"))) == ("0.0", "Europe/Berlin")


def test_before_the_first_answer_nothing_is_assumed() -> None:
    book = ZoneBook(Registry(None), ZoneInfo("UTC"))
    assert not book.refresh()
    with pytest.raises(ZonesUnknownError, match="has not answered"):
        book.zone_of("demo", "d1")
