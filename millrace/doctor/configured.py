"""Lists every setting with its value and default."""

import os
from collections.abc import Iterator
from typing import NamedTuple

from pydantic import BaseModel

from millrace.doctor.finding import Finding
from millrace.errors import MillraceError
from millrace.settings import PREFIX, Settings, settings


class Setting(NamedTuple):
    """One setting as its variable."""

    variable: str
    value: str
    default: str


def look() -> Finding:
    """Return whether the environment's settings can be read."""
    try:
        settings()
    except MillraceError as error:
        return Finding(name="settings", ok=False, found=error.what, mend=error.mend)
    changed = [name for name in os.environ if name.startswith(PREFIX)]
    return Finding(name="settings", ok=True, found=", ".join(sorted(changed)) or "all defaults")


def listing(current: Settings) -> list[Setting]:
    """Return every setting, sections flattened into their variables."""
    defaults = dict(_flat(Settings.model_construct(), PREFIX))
    return [Setting(name, value, defaults[name]) for name, value in _flat(current, PREFIX)]


def _flat(model: BaseModel, prefix: str) -> Iterator[tuple[str, str]]:
    for name in type(model).model_fields:
        value = getattr(model, name)
        variable = f"{prefix}{name.upper()}"
        if isinstance(value, BaseModel):
            yield from _flat(value, f"{variable}__")
        else:
            yield variable, str(value)
