"""Whose history a rule judges, by its scope and by what the registry says."""

import pytest

from udfs.rules.model import Scope
from udfs.rules.population import Population, needs_registry, population
from udfs.rules.reading import RuleDevice

pytestmark = pytest.mark.alerts

REGISTERED = [
    RuleDevice("acme", "pump-1", "north", "pump", ("hot",)),
    RuleDevice("acme", "pump-2", "south", "pump"),
    RuleDevice("acme", "fan-1", "north", "default", ("hot", "old")),
]


def named(scope: Scope) -> Population:
    return population("acme", scope, REGISTERED)


def test_a_scope_that_names_nothing_or_devices_needs_no_registry() -> None:
    assert not needs_registry(Scope())
    assert not needs_registry(Scope(devices=("a",)))
    assert named(Scope()) == Population(None)
    assert named(Scope(devices=("a", "b"))) == Population(frozenset({"a", "b"}))


def test_sites_profiles_and_tags_are_what_the_registry_says_now() -> None:
    assert named(Scope(sites=("north",))) == Population(frozenset({"pump-1", "fan-1"}))
    assert named(Scope(profiles=("pump",), sites=("north",))) == Population(frozenset({"pump-1"}))
    assert named(Scope(tags=("old", "hot"))) == Population(frozenset({"pump-1", "fan-1"}))
    assert named(Scope(sites=("nowhere",))) == Population(frozenset())


def test_devices_of_a_scope_must_be_of_its_sites_too() -> None:
    assert named(Scope(devices=("pump-1", "pump-2", "new"), sites=("north",))).only == frozenset({"pump-1"})


def test_devices_the_registry_does_not_know_have_no_site_and_the_default_profile() -> None:
    found = named(Scope(profiles=("default",)))
    assert [name for name in ("new", "fan-1", "pump-1") if found.holds(name)] == ["new", "fan-1"]
    found = named(Scope(sites=("", "south")))
    assert found == Population(None, frozenset({"pump-1", "fan-1"}))
    assert [name for name in ("new", "fan-1", "pump-2") if found.holds(name)] == ["new", "pump-2"]
    assert named(Scope(sites=("",), devices=("new", "pump-1"))).only == frozenset({"new"})
