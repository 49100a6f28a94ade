"""What people change in the registry, through files, the API and by hand, reaches `device-context`."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import httpx
import pytest
from confluent_kafka import Consumer, TopicPartition
from psycopg import Connection

from catalog.migrations import connect
from catalog.registry import Context, Progress, changes_since, context_of
from catalog.registry_entries import RegistryFile
from catalog.registry_store import Registry, export_file, import_file
from millrace.clock import now_ms
from millrace.contracts import topics
from millrace.reading import Reading, decode
from millrace.settings import Settings

pytestmark = [pytest.mark.integration, pytest.mark.sessions]

PATIENCE_S = 10.0
PROMISED_S = 2.0


class Published:
    """The topic `device-context` from its beginning, newest record of each device."""

    def __init__(self, stack: Settings) -> None:
        config = {"bootstrap.servers": stack.address("kafka"), "group.id": f"contexts-{uuid4()}"}
        self._consumer = Consumer({**config, "enable.auto.commit": False})
        partitions = range(topics()["device-context"].partitions)
        self._consumer.assign([TopicPartition("device-context", partition, 0) for partition in partitions])
        self._newest: dict[str, Reading] = {}

    def until(self, owner: str, wanted: Callable[[Reading], bool]) -> float:
        """Return the seconds until a device's newest record is as wanted; fail after some patience."""
        began_s = time.monotonic()
        while time.monotonic() - began_s < PATIENCE_S:
            for message in self._consumer.consume(10_000, timeout=0.02):
                assert message.error() is None
                self._newest[(message.key() or b"").decode()] = decode(message.value() or b"")
            if owner in self._newest and wanted(self._newest[owner]):
                return time.monotonic() - began_s
        raise AssertionError(f"{owner}: {self._newest.get(owner)} after {PATIENCE_S} s")

    def close(self) -> None:
        self._consumer.close()


@pytest.fixture
def published(stack: Settings) -> Iterator[Published]:
    found = Published(stack)
    yield found
    found.close()


@pytest.fixture
def names() -> Callable[[str], str]:
    """Names nobody else uses, so that tests may follow each other in one stack."""
    mark = uuid4().hex[:8]
    return lambda name: f"{name}-{mark}"


@contextmanager
def registry(stack: Settings) -> Iterator[Registry]:
    with connect(stack) as connection:
        yield Registry(connection, stack.tenant)


def ask(stack: Settings, method: str, path: str, body: dict[str, Any] | None = None) -> httpx.Response:
    return httpx.request(method, f"http://{stack.address('api')}/registry/{path}", json=body, trust_env=False)


def offline_after(seconds: int) -> Callable[[Reading], bool]:
    return lambda reading: reading.metrics["offline_after_ms"] == 1_000 * seconds


def has_firmware(version: str) -> Callable[[Reading], bool]:
    return lambda reading: (reading.attributes or {})["firmware"] == version


def a_file(name: Callable[[str], str], offline_after_s: int = 20) -> RegistryFile:
    return RegistryFile.model_validate(
        {
            "profiles": [
                {"profile": name("p"), "expected_interval_s": 5, "offline_after_s": offline_after_s}
            ],
            "sites": [{"site": name("s"), "lat": 48.1, "lon": 11.5}],
            "devices": [
                {"device_id": name(f"d{number}"), "site": name("s"), "profile": name("p")}
                for number in range(50)
            ],
            "maintenance": [
                {"site": name("s"), "starts_at": "2040-01-01T00:00:00Z", "ends_at": "2040-01-02T00:00:00Z"}
            ],
        }
    )


def test_a_file_imported_twice_changes_nothing_the_second_time_and_comes_back_in_the_export(
    stack: Settings, names: Callable[[str], str]
) -> None:
    with registry(stack) as found:
        assert import_file(found.connection, a_file(names), stack.tenant) == (1, 1, 50, 1, 0)
    with registry(stack) as found:
        assert import_file(found.connection, a_file(names), stack.tenant) == (0, 0, 0, 0, 0)
        again = RegistryFile.model_validate(export_file(found, now_ms()))
    mine = a_file(names)
    assert set(mine.devices) <= set(again.devices)
    assert {entry.profile for entry in mine.profiles} <= {entry.profile for entry in again.profiles}
    assert set(mine.maintenance) <= set(again.maintenance)


def test_a_file_with_one_unknown_profile_changes_nothing_at_all(
    stack: Settings, names: Callable[[str], str]
) -> None:
    good, bad = {"device_id": names("good")}, {"device_id": names("bad"), "profile": names("nobody")}
    with pytest.raises(Exception, match=names("nobody")), registry(stack) as found:
        import_file(found.connection, RegistryFile.model_validate([good, bad]), stack.tenant)
    with registry(stack) as found:
        assert found.get("device", names("good")) is None


def test_a_changed_profile_reaches_the_topic_for_each_of_its_devices_in_time(
    stack: Settings, names: Callable[[str], str], published: Published
) -> None:
    with registry(stack) as found:
        import_file(found.connection, a_file(names), stack.tenant)
    owners = [f"{stack.tenant}/{names(f'd{number}')}" for number in range(50)]
    for owner in owners:
        published.until(owner, offline_after(20))
    with registry(stack) as found:
        import_file(found.connection, a_file(names, 40), stack.tenant)
    began_s = time.monotonic()
    for owner in owners:
        published.until(owner, offline_after(40))
    assert time.monotonic() - began_s < PROMISED_S
    assert {context.offline_after_ms for context in context_of(stack, owners).values()} == {40_000}


def test_changes_reach_the_topic_within_two_seconds_in_19_of_20_cases(
    stack: Settings, names: Callable[[str], str], published: Published
) -> None:
    device, waits = names("d"), []
    for number in range(20):
        reply = ask(stack, "PUT", f"devices/{device}", {"firmware": str(number)})
        assert reply.status_code == 200, reply.text
        waits.append(published.until(f"{stack.tenant}/{device}", has_firmware(str(number))))
    assert sorted(waits)[18] < PROMISED_S


def test_tags_reach_the_topic_as_a_json_array_and_without_any_the_attribute_goes(
    stack: Settings, names: Callable[[str], str], published: Published
) -> None:
    device = names("d")
    owner = f"{stack.tenant}/{device}"
    ask(stack, "PUT", f"devices/{device}", {"tags": ["spare", "line-3"]})
    published.until(owner, lambda reading: (reading.attributes or {}).get("tags") == '["line-3","spare"]')
    ask(stack, "PUT", f"devices/{device}", {})
    published.until(owner, lambda reading: "tags" not in (reading.attributes or {}))


def test_a_deleted_device_goes_back_to_the_default(
    stack: Settings, names: Callable[[str], str], published: Published
) -> None:
    device = names("d")
    owner = f"{stack.tenant}/{device}"
    made = {"site": names("s"), "profile": "hourly"}
    assert ask(stack, "PUT", f"devices/{device}?create=true", made).status_code == 200
    published.until(owner, offline_after(5_400))
    assert ask(stack, "DELETE", f"devices/{device}").status_code == 204
    published.until(
        owner, lambda reading: reading.attributes == {"site": "", "profile": "default", "firmware": ""}
    )
    assert context_of(stack, [owner, "x/y"]) == {owner: Context(owner), "x/y": Context("x/y")}
    assert ask(stack, "GET", f"devices/{device}").status_code == 404


def test_maintenance_of_a_site_reaches_its_devices_and_the_next_window_follows_the_first(
    stack: Settings, names: Callable[[str], str], published: Published
) -> None:
    device, site = names("d"), names("s")
    owner = f"{stack.tenant}/{device}"
    assert ask(stack, "PUT", f"devices/{device}?create=true", {"site": site}).status_code == 200
    first = ask(stack, "POST", "maintenance", {"site": site, "duration_s": 3}).json()
    again = ask(
        stack,
        "POST",
        "maintenance",
        {"device_id": device, "starts_at": "2040-01-01T00:00:00Z", "duration_s": 60},
    ).json()
    published.until(owner, lambda reading: reading.metrics.get("maintenance_from_ms", 1e15) < 2e12)
    published.until(owner, lambda reading: reading.metrics.get("maintenance_from_ms", 0) > 2e12)
    listed = ask(stack, "GET", "maintenance").json()["maintenance"]
    assert again["maintenance_id"] in {window["maintenance_id"] for window in listed}
    assert first["maintenance_id"] not in {window["maintenance_id"] for window in listed}
    assert ask(stack, "DELETE", f"maintenance/{again['maintenance_id']}").status_code == 204
    published.until(owner, lambda reading: "maintenance_from_ms" not in reading.metrics)


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "kind"),
    [
        ("GET", "devices/nobody", None, 404, "unknown-device"),
        ("DELETE", "devices/nobody", None, 404, "unknown-device"),
        ("GET", "profiles/nobody", None, 404, "unknown-profile"),
        ("GET", "sites/nobody", None, 404, "unknown-site"),
        ("DELETE", "maintenance/999999999", None, 404, "unknown-maintenance"),
        ("PUT", "devices/d", {"profile": "nobody"}, 422, "unknown-name"),
        ("PUT", "devices/d", {"colour": "red"}, 422, "wrong-parameter"),
        ("PUT", "devices/a b", {}, 422, "wrong-parameter"),
        ("PUT", "profiles/default", {}, 422, "wrong-parameter"),
        ("PUT", "profiles/p", {"offline_after_s": 1}, 422, "wrong-parameter"),
        ("POST", "maintenance", {"site": "nobody", "duration_s": 60}, 422, "unknown-name"),
        ("POST", "maintenance", {"duration_s": 60}, 422, "wrong-parameter"),
    ],
)
def test_a_wrong_request_is_a_problem_that_says_which(
    stack: Settings, method: str, path: str, body: dict[str, Any] | None, status: int, kind: str
) -> None:
    reply = ask(stack, method, path, body)
    assert (reply.status_code, reply.headers["content-type"]) == (status, "application/problem+json")
    assert reply.json()["type"] == f"urn:millrace:problem:{kind}"


def test_a_profile_and_a_site_with_devices_cannot_go(stack: Settings, names: Callable[[str], str]) -> None:
    with registry(stack) as found:
        import_file(found.connection, a_file(names), stack.tenant)
    assert ask(stack, "DELETE", f"profiles/{names('p')}").status_code == 409
    assert ask(stack, "DELETE", f"sites/{names('s')}").status_code == 409
    page = ask(stack, "GET", f"devices?site={names('s')}&limit=30").json()
    rest = ask(stack, "GET", f"devices?site={names('s')}&limit=30&cursor={page['next_cursor']}").json()
    assert (len(page["devices"]), len(rest["devices"]), rest["next_cursor"]) == (30, 20, None)
    for device in page["devices"] + rest["devices"]:
        assert ask(stack, "DELETE", f"devices/{device['device_id']}").status_code == 204
    assert ask(stack, "DELETE", f"sites/{names('s')}").status_code == 204
    assert ask(stack, "DELETE", f"profiles/{names('p')}").status_code == 204


def test_no_change_is_overlooked_however_transactions_overlap(
    stack: Settings, names: Callable[[str], str]
) -> None:
    """Writers commit in another order than they began; a reader follows all the while."""
    with connect(stack) as connection:
        since = _all(connection, Progress())[1]
    writers = [threading.Thread(target=_write, args=(stack, names, number)) for number in range(6)]
    for writer in writers:
        writer.start()
    seen: set[str] = set()
    with connect(stack) as connection:
        connection.autocommit = True
        while any(writer.is_alive() for writer in writers):
            contexts, since = _all(connection, since)
            seen |= {context.owner for context in contexts}
        contexts, _ = _all(connection, since)
        seen |= {context.owner for context in contexts}
    wanted = {f"{stack.tenant}/{names(f'w{number}-{turn}')}" for number in range(6) for turn in range(20)}
    assert wanted <= seen


def _write(stack: Settings, names: Callable[[str], str], number: int) -> None:
    for turn in range(20):
        with connect(stack) as connection:
            Registry(connection, stack.tenant).put_devices(
                RegistryFile.model_validate([{"device_id": names(f"w{number}-{turn}")}]).devices
            )
            time.sleep(0.002 * number)


def _all(connection: Connection, since: Progress) -> tuple[list[Context], Progress]:
    found: list[Context] = []
    while True:
        changes = changes_since(connection, since, now_ms(), 1_000)
        found, since = found + changes.contexts, changes.progress
        if changes.complete:
            return found, since
