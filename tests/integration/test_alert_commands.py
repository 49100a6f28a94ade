"""`millrace alerts` and `millrace channels` on a real PostgreSQL, by the API in this process."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from fastapi.testclient import TestClient
from typer.testing import CliRunner

import api.asking
from api import channel_commands
from api.app import create_app
from api.commands import app as commands
from millrace.errors import MillraceError
from millrace.settings import Settings
from tests.integration.alert_services import alert_id
from tests.integration.notify_services import SIGNING, Outpost, Receiver, running

pytestmark = [pytest.mark.integration, pytest.mark.alerts]


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    with running(tmp_path_factory.mktemp("commands")) as config:
        yield config


class Terminal(Outpost):
    """A tenant, and commands that a person types."""

    def __call__(self, *words: str, code: int = 0) -> str:
        result = CliRunner().invoke(commands, [*words, "--tenant", self.tenant])
        if isinstance(result.exception, MillraceError):
            raise result.exception
        assert result.exit_code == code, (result.output, result.exception)
        return result.output


@pytest.fixture
def run(
    services: Settings, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Terminal]:
    client = TestClient(create_app(services), base_url="http://127.0.0.1")

    def ask(method: str, address: str, *, timeout: float, trust_env: bool, **more: Any) -> httpx.Response:
        with client:
            reply: httpx.Response = client.request(method, address[address.index("/", 8) :], **more)
        return reply

    monkeypatch.setattr(httpx, "request", ask)
    monkeypatch.setattr(api.asking, "user_name", lambda: "carl")
    monkeypatch.setattr(channel_commands, "settings", lambda: services)
    found = Terminal(services, request.node.name.replace("_", "-")[:60])
    yield found
    found.close()


def test_an_alert_is_cared_for_and_shows_all_that_happened(run: Terminal) -> None:
    run.channel("ops", {"url": "https://example.com"})
    run.tells("ops")
    run.alert("raised", "pump-1", site="hall-4")
    one = alert_id(f"{run.tenant}/pump-1")
    assert one in run("alerts", "list")
    assert "acknowledged" in run("alerts", "ack", one)
    assert json.loads(run("alerts", "assign", one, "--to", "ann", "--json"))["alerts"][0]["assignee"] == "ann"
    assert "looks at it" in run("alerts", "comment", one, "looks at it")
    run("alerts", "snooze", one, "--for", "2h")
    shown = run("alerts", "show", one)
    for told in ("acknowledged", "assigned", "commented", "snoozed", "carl", "looks at it", "hall-4"):
        assert told in shown
    assert "ops" in shown
    run("alerts", "snooze", one, "--end")
    run("alerts", "assign", one, "--nobody")
    assert "cleared" in run("alerts", "clear", one)
    assert run("alerts", "list").strip() == "no alerts"


@pytest.mark.parametrize(
    "words",
    [("snooze", "0" * 24), ("snooze", "0" * 24, "--for", "soon"), ("assign", "0" * 24), ("show", "0" * 24)],
)
def test_what_is_wrong_with_a_command_is_said(run: Terminal, words: tuple[str, ...]) -> None:
    with pytest.raises(MillraceError) as error:
        run("alerts", *words)
    assert error.value.mend


def test_a_channel_is_put_from_a_file_allowed_tested_and_deleted(
    run: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver, file = Receiver(), tmp_path / "ops.yaml"
    channel = {"channel": "ops", "kind": "webhook", "settings": {"url": receiver.url("ops")}}
    file.write_text(
        yaml.safe_dump(channel | {"secret": {"signing_secret": "${OPS_SECRET}"}, "group_wait_s": 5})
    )
    with pytest.raises(MillraceError, match="OPS_SECRET"):
        run("channels", "put", str(file))
    monkeypatch.setenv("OPS_SECRET", SIGNING)
    with pytest.raises(MillraceError) as refused:
        run("channels", "put", str(file), "--create")
    assert f"millrace channels allow ops --tenant {run.tenant}" in refused.value.mend
    assert "may reach private addresses" in run("channels", "allow", "ops")
    assert "ops" in run("channels", "put", str(file), "--create")
    assert run("channels", "test", "ops").startswith("sent")
    written = yaml.safe_load(run("channels", "show", "ops"))
    assert (written["channel"], written["group_wait_s"]) == ("ops", 5)
    file.write_text(yaml.safe_dump([written]))
    run("channels", "put", str(file))
    assert "as before" in run("channels", "allow", "ops")
    run("channels", "forbid", "ops")
    assert run("channels", "test", "ops", code=1).startswith("refused")
    with pytest.raises(MillraceError) as unknown:
        run("channels", "show", "opps")
    assert "Did you mean ops?" in unknown.value.mend
    assert "ops is deleted" in run("channels", "delete", "ops")
    assert json.loads(run("channels", "list", "--json"))["channels"] == []
    receiver.close()
