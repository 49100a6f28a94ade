"""A write for a tenant, site or device that nobody made is refused with the nearest name, unless meant."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from api.app import create_app
from catalog import registry_commands
from catalog.registry_commands import devices as commands
from ingest.backfill import commands as backfill_commands
from millrace.errors import MillraceError
from millrace.settings import Settings
from tests.integration.alert_services import rows, rule, running

pytestmark = [pytest.mark.integration, pytest.mark.web]


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    with running(tmp_path_factory.mktemp("names"), "postgres") as found:
        rows(found, "INSERT INTO tenant VALUES ('harbour'), ('demo')")
        rows(found, "INSERT INTO site (tenant, site) VALUES ('harbour', 'hall-4')")
        rows(found, "INSERT INTO device (tenant, device_id) VALUES ('harbour', 'pump-1')")
        rows(found, "INSERT INTO device_profile (profile) VALUES ('slow-pump')")
        yield found


@pytest.fixture
def client(config: Settings) -> Iterator[TestClient]:
    app = create_app(config)
    with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as found:
        yield found


WEBHOOK = {
    "kind": "webhook",
    "settings": {"url": "https://hooks.example.com/a"},
    "secret": {"signing_secret": "whsec_" + "c2lnbmluZy1rZXktb2YtdGhlLXRlc3RzIQ=="},
}
WINDOW = {"duration_s": 60}


def stored(config: Settings) -> list[Any]:
    tables = ("tenant", "site", "device", "rule", "channel", "maintenance_window")
    return [rows(config, f"SELECT count(*) AS n FROM {table}")[0]["n"] for table in tables]


@pytest.mark.parametrize(
    ("method", "path", "body", "where", "meant"),
    [
        ("PUT", "/registry/devices/d?tenant=harbor", {}, "tenant", "harbour"),
        ("PUT", "/registry/sites/s?tenant=harbor", {}, "tenant", "harbour"),
        ("POST", "/registry/maintenance?tenant=harbor", WINDOW | {"site": "hall-4"}, "tenant", "harbour"),
        ("POST", "/rules?tenant=harbor", rule(), "tenant", "harbour"),
        ("POST", "/rules/import?tenant=harbor", [rule()], "tenant", "harbour"),
        ("POST", "/rules/import?tenant=harbor&dry_run=true", [rule()], "tenant", "harbour"),
        ("PUT", "/channels/ops?tenant=harbor", WEBHOOK, "tenant", "harbour"),
        ("PUT", "/registry/devices/d?tenant=harbour", {"site": "hal-4"}, "site", "hall-4"),
        ("PUT", "/registry/devices/d?tenant=harbour", {"profile": "slowpump"}, "profile", "slow-pump"),
        (
            "POST",
            "/registry/maintenance?tenant=harbour",
            WINDOW | {"device_id": "pmup-1"},
            "device",
            "pump-1",
        ),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest_and_nothing_is_made(
    config: Settings, client: TestClient, method: str, path: str, body: Any, where: str, meant: str
) -> None:
    before = stored(config)
    reply = client.request(method, path, json=body)
    assert reply.status_code == 422, reply.text
    problem = reply.json()
    assert (problem["type"], problem["where"]) == ("urn:millrace:problem:unknown-name", where)
    assert f"did you mean {meant!r}" in problem["detail"]
    assert stored(config) == before


def test_what_is_meant_is_made(config: Settings, client: TestClient) -> None:
    assert client.put("/registry/sites/s?tenant=new-1&create=true", json={}).status_code == 200
    assert client.post("/rules?tenant=new-2&create=true", json=rule()).status_code == 201
    assert client.put("/channels/ops?tenant=new-3&create=true", json=WEBHOOK).status_code == 201
    put = client.put("/registry/devices/d?tenant=harbour&create=true", json={"site": "hall-9"})
    assert put.json()["site"] == "hall-9"
    window = client.post(
        "/registry/maintenance?tenant=harbour&create=true", json=WINDOW | {"device_id": "pump-9"}
    )
    assert window.status_code == 201
    assert client.get("/registry/devices/pump-9?tenant=harbour").status_code == 200
    tenants = {row["tenant"] for row in rows(config, "SELECT tenant FROM tenant")}
    assert {"new-1", "new-2", "new-3"} <= tenants


def test_the_tenant_of_the_stack_and_a_device_of_its_own_path_need_not_be_there(client: TestClient) -> None:
    assert client.put("/registry/devices/first-ever", json={}).status_code == 200
    assert client.post("/rules", json=rule("first-ever")).status_code == 201


def test_a_rehearsal_makes_no_tenant(config: Settings, client: TestClient) -> None:
    before = stored(config)
    reply = client.post("/rules/import?tenant=only-tried&create=true&dry_run=true", json=[rule()])
    assert reply.json()["created"] == ["too-hot"]
    assert stored(config) == before


FILE = """
sites: [{site: own-hall}]
profiles: [{profile: own-profile}]
devices:
- {device_id: own-pump, site: own-hall, profile: own-profile}
maintenance:
- {device_id: own-pump, starts_at: 2040-01-01T00:00:00Z, ends_at: 2040-01-02T00:00:00Z}
"""


def test_a_file_brings_its_own_sites_and_profiles_and_asks_for_others(
    config: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry_commands, "settings", lambda: config)
    file = tmp_path / "plant.yaml"

    def bring(text: str, *words: str) -> Any:
        file.write_text(text)
        return CliRunner().invoke(commands, ["import", str(file), "--tenant", "harbour", *words])

    assert bring(FILE).exit_code == 0
    before = stored(config)
    other = "devices: [{device_id: p, site: own-hal}]"
    refused = bring(other).exception
    assert isinstance(refused, MillraceError)
    assert refused.what == "there is no site 'own-hal'; did you mean 'own-hall'"
    wrong = bring("devices: [{device_id: p, profile: own-profil}]", "--create").exception
    assert isinstance(wrong, MillraceError)
    assert "did you mean 'own-profile'" in wrong.what
    far = bring("devices: [{device_id: p, tenant: harbor}]").exception
    assert isinstance(far, MillraceError)
    assert "did you mean 'harbour'" in far.what
    assert stored(config) == before
    assert bring(other, "--create").exit_code == 0


def test_commands_that_import_or_set_a_zone_make_no_misspelt_tenant(
    config: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry_commands, "settings", lambda: config)
    monkeypatch.setattr(backfill_commands, "settings", lambda: config)
    before = stored(config)
    ways = (
        (backfill_commands.app, ["plant.csv", "--mapping", "skab", "--tenant", "harbor"]),
        (commands, ["timezone", "Europe/Berlin", "--tenant", "harbor"]),
    )
    for app, words in ways:
        refused = CliRunner().invoke(app, words).exception
        assert isinstance(refused, MillraceError)
        assert refused.what == "there is no tenant 'harbor'; did you mean 'harbour'"
    assert stored(config) == before
