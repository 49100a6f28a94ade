"""Finds the kinds of conditions: every module in `udfs/rules/kinds` brings one, and its memory."""

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from udfs.rules import kinds as package
from udfs.rules.condition import Condition, Memory


@cache
def kinds() -> dict[str, type[Condition]]:
    """Return every kind of condition by its name in a rule."""
    for module in iter_modules(package.__path__):
        import_module(f"{package.__name__}.{module.name}")
    return {name_of(found): found for found in sorted(Condition.__subclasses__(), key=name_of)}


@cache
def memories() -> tuple[type[Memory], ...]:
    """Return the memories of all kinds."""
    return tuple(sorted(Memory.__subclasses__(), key=lambda kind: str(kind.__struct_config__.tag)))


def name_of(kind: type[Condition] | Condition) -> str:
    """Return a kind's name as rules write it."""
    return str(kind.__struct_config__.tag)
