"""How long readings are kept is configured in the profile; and one maintainer works at a time."""

import os
import signal
from collections.abc import Iterator

import psycopg
import pytest
from pydantic import ValidationError

from catalog import serving, turns
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
from tests.integration.own_services import own_services, until

pytestmark = [pytest.mark.integration, pytest.mark.lakehouse]


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    with own_services(tmp_path_factory.mktemp("kept"), "kept", "postgres", "redis") as found:
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
    # PostgreSQL ends the session of a closed connection in its own time.
    until(second.take)
    second.check()
    second.close()


@pytest.fixture
def serves(config: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let this process serve alone, and give its signals back."""
    monkeypatch.setattr(serving, "settings", lambda: config)
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("serves")
def test_a_second_maintainer_waits_until_the_first_is_gone_and_then_works(config: Settings) -> None:
    first, seen = Alone(config), []
    assert first.take()

    class Second(Alone):
        def take(self) -> bool:
            seen.append("takes" if (taken := super().take()) else "waits")
            first.close()
            return taken

    serving.serve_alone(Second, lambda *_: seen.append("works"), 0.01)
    assert (seen[0], seen[-2:], seen.count("works")) == ("waits", ["takes", "works"], 1)


@pytest.mark.usefixtures("serves")
def test_a_second_maintainer_that_waits_ends_when_it_is_told_to(config: Settings) -> None:
    first, seen = Alone(config), []
    assert first.take()

    class Second(Alone):
        def take(self) -> bool:
            os.kill(os.getpid(), signal.SIGTERM)
            seen.append(super().take())
            return seen[-1]

    serving.serve_alone(Second, lambda *_: seen.append(True), 600.0)
    first.close()
    assert seen == [False]


@pytest.mark.usefixtures("serves")
def test_a_maintainer_that_lost_its_lock_ends() -> None:
    def lose(*_: object) -> None:
        raise psycopg.OperationalError("gone")

    with pytest.raises(SystemExit, match="lost the registry: gone"):
        serving.serve_alone(Alone, lose, 600.0)


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
