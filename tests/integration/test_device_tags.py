"""Tags of devices on a real PostgreSQL: kept, numbered as a change, published, and nothing older breaks."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from fastapi.testclient import TestClient
from psycopg import sql

from api.app import create_app
from catalog.migrations import connect, migrate, migration_files
from catalog.registry import Context, Progress, changes_since, context_of
from catalog.registry_entries import DeviceSettings, RegistryFile
from catalog.registry_store import Registry, export_file, import_file
from jobs.contexts.record import record
from millrace.settings import Settings
from tests.integration.alert_services import rows, running

pytestmark = [pytest.mark.integration, pytest.mark.sessions]

NOW_MS = 1_800_000_000_000


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    with running(tmp_path_factory.mktemp("tags"), "postgres") as found:
        yield found


@pytest.fixture
def name() -> str:
    return f"d-{uuid4().hex[:8]}"


def put(config: Settings, device_id: str, *tags: str, **more: Any) -> bool:
    with connect(config) as connection:
        settings = DeviceSettings(tags=tags, **more)
        return Registry(connection, config.tenant).put_device(device_id, settings)


def changes(config: Settings, since: int) -> tuple[list[Context], int]:
    with connect(config) as connection:
        found = changes_since(connection, Progress(since), NOW_MS, 1_000)
    return found.contexts, found.progress.change


def test_a_change_of_tags_is_a_change_of_the_device_and_the_same_tags_are_none(
    config: Settings, name: str
) -> None:
    put(config, name, site="hall")
    _, seen = changes(config, 0)
    assert put(config, name, "spare", "line-3", site="hall")
    [context], seen = changes(config, seen)
    assert (context.tags, context.site) == (("line-3", "spare"), "hall")
    assert not put(config, name, "line-3", "spare", "line-3", site="hall")
    assert changes(config, seen)[0] == []
    assert put(config, name, site="hall")
    [context], _ = changes(config, seen)
    assert context.tags == ()
    assert "tags" not in (record(context, NOW_MS).attributes or {})


def test_a_removed_device_has_no_tags(config: Settings, name: str) -> None:
    put(config, name, "spare")
    owner = f"{config.tenant}/{name}"
    assert context_of(config, [owner])[owner].tags == ("spare",)
    _, seen = changes(config, 0)
    with connect(config) as connection:
        Registry(connection, config.tenant).delete("device", name)
    assert changes(config, seen)[0] == [Context(owner)]


def test_tags_go_through_a_file_and_come_back(config: Settings, name: str) -> None:
    file = RegistryFile.model_validate([{"device_id": name, "tags": ["b", "a"]}, {"device_id": f"{name}-x"}])
    with connect(config) as connection:
        assert import_file(connection, file, config.tenant).devices == 2
        assert import_file(connection, file, config.tenant).devices == 0
        written = export_file(Registry(connection, config.tenant), NOW_MS)
    found = {entry["device_id"]: entry.get("tags") for entry in written["devices"]}
    assert (found[name], found[f"{name}-x"]) == (["a", "b"], None)
    assert set(file.devices) <= set(RegistryFile.model_validate(written).devices)


def test_the_api_takes_tags_answers_them_and_finds_by_them(config: Settings, name: str) -> None:
    web = TestClient(create_app(config), base_url="http://127.0.0.1", raise_server_exceptions=False)
    answer = web.put(f"/registry/devices/{name}", json={"tags": [name, "a"]}).json()
    assert answer["tags"] == sorted([name, "a"])
    assert web.get(f"/registry/devices/{name}").json()["tags"] == answer["tags"]
    listed = web.get("/registry/devices", params={"tag": name}).json()["devices"]
    assert [device["device_id"] for device in listed] == [name]
    wrong = web.put(f"/registry/devices/{name}", json={"tags": ["line 3"]})
    assert (wrong.status_code, wrong.json()["where"]) == (422, "tags[0]")


@pytest.mark.parametrize(
    "tags", [["a b"], [""], [" "], ["-a"], ["a", None], ["x" * 65], ["a\n"], list("ab") * 17]
)
def test_postgresql_itself_refuses_what_is_no_tag(config: Settings, name: str, tags: list[Any]) -> None:
    put(config, name)
    with pytest.raises(psycopg.errors.CheckViolation):
        rows(config, "UPDATE device SET tags = %s WHERE device_id = %s", tags, name)


def test_devices_from_before_keep_their_number_so_nothing_is_published_anew(config: Settings) -> None:
    """An older registry is migrated: its contexts are what they were."""
    with older_registry(config) as connection:
        files = migration_files()
        place = [path.stem for path in files].index("0012_device_tags")
        for path in files[:place]:
            connection.execute(path.read_bytes())
        connection.execute("INSERT INTO device (tenant, device_id, firmware) VALUES ('t', 'old', '1.0')")
        [number] = connection.execute("SELECT change FROM device").fetchone() or [None]
        connection.execute(
            "CREATE TABLE migration (name text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())"
        )
        for path in files[:place]:
            connection.execute("INSERT INTO migration (name) VALUES (%s)", (path.stem,))
        assert "0012_device_tags" in migrate(connection)
        assert connection.execute("SELECT change, tags FROM device").fetchone() == (number, [])
        found = changes_since(connection, Progress(), NOW_MS, 10).contexts
        [context] = found
        assert context._replace(registered_ms=None) == Context("t/old", firmware="1.0")
        assert context.registered_ms is not None
        # What a publisher of before the migration asks, until it is restarted.
        before = connection.execute("SELECT site, profile, firmware, windows_ms FROM device_contexts(now())")
        assert before.fetchall() == [("", "default", "1.0", None)]


@contextmanager
def older_registry(config: Settings) -> Iterator[psycopg.Connection]:
    """A connection to a schema of its own, which is empty."""
    name = sql.Identifier(f"older_{uuid4().hex[:8]}")
    with connect(config) as connection:
        connection.autocommit = True
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(name))
        connection.execute(sql.SQL("SET search_path TO {}").format(name))
        yield connection
        connection.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(name))
