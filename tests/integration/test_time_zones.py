"""A local time without an offset through a real gateway; the registry says by which zone it is read."""

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from catalog.migrations import connect, migrate
from catalog.registry_entries import DeviceSettings, RegistryFile, SiteSettings, TenantEntry, TenantSettings
from catalog.registry_store import Registry, export_file, import_file
from catalog.zones import zone_of_device
from millrace.clock import to_iso
from tests.integration.own_services import until
from tests.integration.refusal_services import Refusals, running

pytestmark = [pytest.mark.integration, pytest.mark.gateway]


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Refusals]:
    with running(Path(tmp_path_factory.mktemp("zones"))) as found:
        with connect(found.config) as connection:
            migrate(connection)
        yield found


def sent(services: Refusals, device: str, text: str) -> int:
    body = {"device_id": device, "event_time": text, "metrics": {"a": 1}}
    return services.post(json.dumps(body).encode()).status_code


def newest(services: Refusals, device: str) -> str:
    return to_iso(services.of(device)[-1].event_time)


def test_device_site_and_tenant_say_how_a_local_time_is_read_within_seconds(services: Refusals) -> None:
    assert sent(services, "plain", "2026-01-01T12:00:00") == 422
    letter = services.dead_letters()[-1]
    assert (letter["reason"], letter["device_id"]) == ("local_event_time", "plain")
    with connect(services.config) as connection:
        registry = Registry(connection, services.config.tenant)
        registry.put_tenant(TenantSettings(timezone="Europe/Berlin"))
        registry.put_site("tokyo", SiteSettings(timezone="Asia/Tokyo"))
        registry.put_device("at-site", DeviceSettings(site="tokyo"))
        registry.put_device("own", DeviceSettings(site="tokyo", timezone="America/New_York"))
    until(lambda: sent(services, "plain", "2026-01-01T12:00:00") == 202, 10)
    until(lambda: sent(services, "own", "2026-01-01 12:00") == 202, 10)
    assert sent(services, "at-site", "01.01.2026 12:00:00") == 202
    assert newest(services, "plain") == "2026-01-01T11:00:00.000Z"
    assert newest(services, "at-site") == "2026-01-01T03:00:00.000Z"
    assert newest(services, "own") == "2026-01-01T17:00:00.000Z"
    with connect(services.config) as connection:
        Registry(connection, services.config.tenant).set_timezone("site", "tokyo", None)
        zone = zone_of_device(connection, services.config.tenant, "at-site")
    assert zone is not None
    assert zone.key == "Europe/Berlin"

    def is_read_by_the_tenant() -> bool:
        assert sent(services, "at-site", "2026-01-01T12:00:00") == 202
        return newest(services, "at-site") == "2026-01-01T11:00:00.000Z"

    until(is_read_by_the_tenant, 10)


def test_zones_are_exported_and_imported(services: Refusals) -> None:
    with connect(services.config) as connection:
        registry = Registry(connection, "elsewhere")
        file = RegistryFile(tenants=[TenantEntry(tenant="elsewhere", timezone="Asia/Kolkata")])
        assert import_file(connection, file, "elsewhere").tenants == 1
        assert import_file(connection, file, "elsewhere").tenants == 0
        registry.put_device("d1", DeviceSettings(timezone="Europe/Paris"))
        exported = RegistryFile.model_validate(export_file(registry, 0))
    assert (exported.tenants[0].timezone, exported.devices[0].timezone) == ("Asia/Kolkata", "Europe/Paris")


def test_a_client_of_one_byte_now_and_then_is_cut_off(services: Refusals) -> None:
    host, port = services.config.address("gateway_http").split(":")
    began_s = time.monotonic()
    with socket.create_connection((host, int(port)), timeout=2) as connection:
        answer = b""
        for byte in b"POST /v1/telemetry HTTP/1.1\r\nHost: x\r\n":
            try:
                connection.send(bytes([byte]))
                connection.settimeout(0.5)
                answer = connection.recv(1_000)
                break
            except TimeoutError:
                assert time.monotonic() - began_s < 15
            except OSError:
                break
    assert answer.startswith(b"HTTP/1.1 408") or answer == b""
    assert time.monotonic() - began_s < 15
    assert httpx.get(f"http://{host}:{port}/health").headers["X-Content-Type-Options"] == "nosniff"
