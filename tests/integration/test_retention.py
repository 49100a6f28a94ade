"""How long readings are kept is configured in the profile; and one maintainer works at a time."""

from collections.abc import Iterator

import psycopg
import pytest
from pydantic import ValidationError

from catalog import turns
from catalog.locks import take_lock
from catalog.maintenance.alone import Alone
from catalog.migrations import connect
from catalog.registry_entries import DeviceEntry, ProfileEntry, ProfileSettings, RegistryFile
from catalog.registry_store import Registry, export_file, import_file
from catalog.tiering.overview import overview
from catalog.tiering.terms import FOR_EVER, Days, load_terms
from millrace.clock import now_ms
from millrace.settings import Settings
from tests.integration.kept_lake import kept_lake
from tests.integration.own_services import own_services

pytestmark = [pytest.mark.integration, pytest.mark.lakehouse]


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    with own_services(tmp_path_factory.mktemp("kept"), "kept", 16_500, "postgres", "redis") as found:
        yield found


def profile(name: str, warm_days: int | None, cold_days: int | None) -> ProfileEntry:
    return ProfileEntry(profile=name, warm_days=warm_days, cold_days=cold_days)


def test_terms_come_from_the_profiles_and_the_default_is_not_listed(config: Settings) -> None:
    names = ("brief", "long", "plain")
    file = RegistryFile(
        profiles=[profile("brief", 7, 30), profile("long", 365, None), profile("plain", None, None)],
        devices=[DeviceEntry(device_id=name, profile=name) for name in names],
    )
    with connect(config) as connection:
        import_file(connection, file, "demo")
        terms = load_terms(connection)
        told = export_file(Registry(connection, "demo"), now_ms())["profiles"]
    assert terms.of == {"demo/brief": Days(7, 30), "demo/long": Days(365, FOR_EVER)}
    assert terms.default == Days(FOR_EVER, FOR_EVER)
    assert {
        one["profile"]: (one.get("warm_days"), one.get("cold_days"))
        for one in told
        if one["profile"] in names
    } == {
        "brief": (7, 30),
        "long": (365, None),
        "plain": (None, None),
    }


@pytest.mark.parametrize(("warm", "cold"), [(30, 30), (None, 90), (0, None), (30, 7)])
def test_what_would_delete_warm_readings_is_refused(warm: int | None, cold: int | None) -> None:
    with pytest.raises(ValidationError):
        ProfileSettings(warm_days=warm, cold_days=cold)


def test_the_database_refuses_it_too(config: Settings) -> None:
    wrong = ProfileSettings.model_construct(**ProfileSettings().model_dump() | {"cold_days": 90})
    with connect(config) as connection, pytest.raises(psycopg.errors.CheckViolation):
        Registry(connection, "demo").put_profile("wrong", wrong)


def test_only_one_maintainer_works_at_a_time(config: Settings) -> None:
    first, second = Alone(config), Alone(config)
    assert first.take()
    assert not second.take()
    first.close()
    assert second.take()
    second.check()
    second.close()


def test_each_tier_has_its_size_and_its_price(
    config: Settings, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with kept_lake(tmp_path_factory.mktemp("lake")) as lake:
        lake.disorder(3)
        hot, warm, cold = overview(config, lake.catalog)
    assert hot.size_bytes is not None
    assert hot.size_bytes > 0
    assert hot.cost_month is not None
    assert (warm.rows, warm.files) == (21, 3)
    assert warm.size_bytes == warm.stored_bytes
    assert (cold.rows, cold.files, cold.cost_month) == (0, 0, 0.0)


def test_a_maintainer_at_work_keeps_nobody_else_from_theirs(config: Settings) -> None:
    maintainer, corrector = Alone(config), turns.Alone(config)
    assert maintainer.take()
    assert corrector.take()
    with connect(config) as connection:
        assert take_lock(connection, "quality")
    maintainer.close()
    corrector.close()
