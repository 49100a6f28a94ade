"""Finds the kinds of channels: every module of `api.notifier.kinds` with a `KIND`."""

from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import api.notifier.kinds
from api.notifier.channel_kind import ChannelKind
from millrace.errors import MillraceError
from millrace.phrases import known_names

AnyKind = ChannelKind[Any, Any]


@cache
def kinds() -> dict[str, AnyKind]:
    """Return all kinds of channels by name."""
    names = [module.name for module in iter_modules(api.notifier.kinds.__path__)]
    found: list[AnyKind] = [import_module(f"{api.notifier.kinds.__name__}.{name}").KIND for name in names]
    return {kind.name: kind for kind in found}


def kind_named(name: str) -> AnyKind:
    """Return a kind of channel; raise MillraceError when there is none of this name."""
    try:
        return kinds()[name]
    except KeyError:
        raise MillraceError(
            f"there is no kind of channel {name!r}", where="kind", mend=known_names(name, kinds())
        ) from None
