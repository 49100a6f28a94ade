"""Services are found, ordered and chosen by what they need."""

import pytest

from millrace.errors import MillraceError
from millrace.stack.discovery import is_present, ordered, services
from millrace.stack.service import Service
from millrace.stack.start import closure, last_lines, of_profiles

pytestmark = pytest.mark.stack


def service(name: str, *needs: str, module: str = "") -> Service:
    return Service(name=name, about=name, needs=needs, module=module, command=lambda _: [name])


def named(*found: Service) -> dict[str, Service]:
    return {one.name: one for one in found}


def test_a_service_follows_all_it_needs() -> None:
    found = ordered(named(service("a", "b"), service("b", "c"), service("c")))
    assert list(found) == ["c", "b", "a"]


def test_a_need_nobody_declares_is_named() -> None:
    with pytest.raises(MillraceError, match="a needs ghost"):
        ordered(named(service("a", "ghost")))


def test_a_circle_of_needs_is_named() -> None:
    with pytest.raises(MillraceError, match="circle"):
        ordered(named(service("a", "b"), service("b", "a")))


def test_the_closure_holds_the_needs_and_nothing_else() -> None:
    found = ordered(named(service("a", "b"), service("b"), service("c")))
    assert list(closure(found, ["a"])) == ["b", "a"]


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(MillraceError, match=r"no service is called kafkaa.*There are: kafka"):
        closure(named(service("kafka")), ["kafkaa"])


def test_the_fleet_starts_only_when_asked_for() -> None:
    assert "fleet" not in of_profiles(services(), "core")
    assert "fleet" in of_profiles(services(), "core", "fleet")


def test_every_declared_service_is_found_once_and_its_ports_are_its_own() -> None:
    ports = [port for found in services().values() for port in found.ports]
    assert {"kafka", "redis", "postgres", "mosquitto", "jobmanager", "taskmanager"} <= set(services())
    assert len(ports) == len(set(ports))


def test_a_service_whose_module_is_missing_is_not_present() -> None:
    assert not is_present(service("a", module="nowhere.at.all"))
    assert is_present(service("a", module="millrace.stack.service"))
    assert is_present(service("a"))


def test_the_last_lines_leave_out_empty_ones() -> None:
    assert last_lines("one\n\ntwo\n  \nthree\n", 2) == ["two", "three"]
