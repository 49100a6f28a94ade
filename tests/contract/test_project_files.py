"""Files around the code say what the code says: `.env.example`, AGENTS.md."""

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from millrace.settings import PREFIX, ROOT, Settings

pytestmark = [pytest.mark.contract, pytest.mark.stack]

LINE = re.compile(rf"^#({PREFIX}\w+)=(.*)$", re.MULTILINE)


def defaults(model: BaseModel, prefix: str = PREFIX) -> dict[str, str]:
    """Return every variable with its default as it is written in the environment."""
    values: dict[str, str] = {}
    for name in type(model).model_fields:
        value, variable = getattr(model, name), f"{prefix}{name.upper()}"
        if isinstance(value, BaseModel):
            values |= defaults(value, f"{variable}__")
        elif isinstance(value, Path):
            values[variable] = str(value.relative_to(ROOT))
        elif isinstance(value, bool):
            values[variable] = str(value).lower()
        else:
            values[variable] = "[]" if value == () else str(value)
    return values


@pytest.fixture(autouse=True)
def no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in defaults(Settings()):
        monkeypatch.delenv(variable, raising=False)


def test_the_example_environment_has_every_setting_with_its_default() -> None:
    assert dict(LINE.findall((ROOT / ".env.example").read_text())) == defaults(Settings())


def test_the_example_environment_changes_nothing_as_it_is() -> None:
    lines = (ROOT / ".env.example").read_text().splitlines()
    assert [line for line in lines if line and not line.startswith("#")] == []


def test_the_map_has_a_row_for_every_folder_of_code() -> None:
    rows = set(re.findall(r"`([a-z]+)/`", (ROOT / "AGENTS.md").read_text()))
    folders = set(re.findall(r"^\| `([a-z-]+)/` \|", (ROOT / "ARCHITECTURE.md").read_text(), re.MULTILINE))
    assert folders <= rows
