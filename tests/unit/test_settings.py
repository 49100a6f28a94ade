"""Settings: typed, read from the environment, and a typo never passes silently."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from millrace.errors import MillraceError
from millrace.secrets import load_secrets
from millrace.settings import PREFIX, Settings, settings


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)
    settings.cache_clear()
    yield monkeypatch
    settings.cache_clear()


def test_an_offset_moves_every_port(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("MILLRACE_PORT_OFFSET", "1000")
    environment.setenv("MILLRACE_PORTS__REDIS", "20000")
    assert settings().address("redis") == "127.0.0.1:21000"
    assert settings().address("kafka") == "127.0.0.1:19092"


@pytest.mark.parametrize("name", ["MILLRACE_STAKC", "MILLRACE_PORTS__REDSI"])
def test_a_misspelt_variable_is_refused_by_name(environment: pytest.MonkeyPatch, name: str) -> None:
    environment.setenv(name, "20000")
    with pytest.raises(MillraceError, match=f"(?i){name.split('__')[-1]}") as caught:
        settings()
    assert caught.value.mend


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MILLRACE_PORTS__REDIS", "80"),
        ("MILLRACE_STACK", "../elsewhere"),
        ("MILLRACE_KAFKA__HEAP", "much"),
        ("MILLRACE_FLINK__PARALLELISM", "0"),
    ],
)
def test_a_value_that_cannot_be_is_refused(environment: pytest.MonkeyPatch, name: str, value: str) -> None:
    environment.setenv(name, value)
    with pytest.raises(MillraceError, match="a setting is wrong"):
        settings()


def test_a_child_process_reads_the_same_settings(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    environment.setenv("MILLRACE_FLINK__PARALLELISM", "1")
    parent = Settings(stack="other", home=tmp_path, port_offset=3)
    for name, value in parent.environment().items():
        environment.setenv(name, value)
    assert settings() == parent


def test_secrets_are_made_once_kept_closed_and_shown_to_nobody(tmp_path: Path) -> None:
    stack = Settings(home=tmp_path, tenant="acme")
    first = load_secrets(stack)
    load_secrets.cache_clear()
    again = load_secrets(stack)
    assert again == first
    assert (stack.folder / "secrets.json").stat().st_mode & 0o777 == 0o600
    assert first.tenant_token("acme") not in f"{first!r}{first}"
    assert len(first.tenant_token("acme")) >= 24
