"""`/devices` and `/data` of devices that are registered, imported, live, or several of these."""

from collections.abc import Iterator
from itertools import permutations
from typing import Any

import pyarrow as pa
import pytest
from fastapi.testclient import TestClient
from redis import Redis

from api.app import create_app
from api.dependencies import current_time_ms
from catalog.lake import load_lake
from catalog.migrations import connect
from catalog.registry_entries import DeviceSettings
from catalog.registry_store import Registry
from catalog.tables import apply_tables
from millrace.secrets import load_secrets
from millrace.settings import Settings
from tests.integration.conftest import NOW_MS, Writer
from tests.integration.own_services import own_services

pytestmark = [pytest.mark.integration, pytest.mark.web, pytest.mark.sessions]

PAST_MS = 1_378_000_000_000
HOUR_MS = 3_600_000


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    with own_services(tmp_path_factory.mktemp("known"), "known", "postgres", "redis") as found:
        lake = load_lake(found)
        apply_tables(lake)
        lake.close()
        _fill(found)
        yield found


def _fill(config: Settings) -> None:
    """live and both are in Redis; both and new are registered; past and old are in the lake, old archived."""
    password = load_secrets(config).redis.get_secret_value()
    with Redis(port=config.port("redis"), password=password) as redis:
        writer = Writer(redis)
        writer.latest("live", NOW_MS - 1_000, {"t_c": 1.0})
        writer.latest("both", NOW_MS - 900_000, {"t_c": 1.0})
        redis.hset("device:{demo:both}", mapping={"@state": "offline", "@site": ""})
    with connect(config) as connection:
        registry = Registry(connection, "demo")
        registry.put_device("both", DeviceSettings(site="hall-1"))
        registry.put_device("new", DeviceSettings(site="hall-2"))
        Registry(connection, "other").put_device("theirs", DeviceSettings())
    for name, rows in {
        ("iot", "readings"): [("past", 0), ("past", HOUR_MS), ("live", 0), ("p" * 20, 5), ("p" * 21, 6)],
        ("iot_archive", "readings"): [("old", 7), ("past", 9)],
    }.items():
        _store(config, name, [(device, PAST_MS + at_ms) for device, at_ms in rows])


def _store(
    config: Settings, name: tuple[str, str], rows: list[tuple[str, int]], tenant: str = "demo"
) -> None:
    lake = load_lake(config)
    table = lake.load_table(name)
    given = [
        {
            "tenant": tenant,
            "device_id": device,
            "event_id": f"{device}-{at_ms}",
            "event_time": at_ms * 1000,
            "metrics": [("pm25_ugm3", 1.0)],
            "received_at": at_ms * 1000,
            "source": "import",
            "kafka_partition": -1,
            "kafka_offset": place,
            "mark": "late",
        }
        for place, (device, at_ms) in enumerate(rows)
    ]
    table.append(pa.Table.from_pylist(given, schema=table.schema().as_arrow()))
    lake.close()


@pytest.fixture(scope="module")
def web(config: Settings) -> Iterator[TestClient]:
    app = create_app(config)
    app.dependency_overrides[current_time_ms] = lambda: NOW_MS
    with TestClient(app, base_url="http://127.0.0.1") as client:
        yield client


def ask(web: TestClient, path: str = "/devices", **parameters: Any) -> Any:
    reply = web.get(path, params=parameters)
    assert reply.status_code == 200, reply.text
    return reply.json()


STATES = {
    "live": "online",
    "both": "offline",
    "new": "never_seen",
    "past": "history_only",
    "old": "history_only",
    "p" * 20: "history_only",
    "p" * 21: "history_only",
}


def test_registry_lake_and_redis_are_one_list_the_newest_first(web: TestClient) -> None:
    page = ask(web)
    assert {one["device_id"]: one["state"] for one in page["devices"]} == STATES
    assert [one["device_id"] for one in page["devices"]][:3] == ["live", "both", "past"]
    assert page["devices"][-1]["device_id"] == "new"
    assert (page["total"], page["unanswered"]) == (len(STATES), [])
    assert page["counts"] == {
        "online": 1, "offline": 1, "maintenance": 0, "never_seen": 1, "history_only": 4,
    }  # fmt: skip


@pytest.mark.parametrize("state", sorted(set(STATES.values())))
@pytest.mark.parametrize("order", ["newest", "id"])
def test_a_walk_by_state_shows_each_of_it_once(web: TestClient, state: str, order: str) -> None:
    found: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = ask(web, state=state, limit=1, order=order, **cursor)
        found += [one["device_id"] for one in page["devices"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert sorted(found) == sorted(name for name, its in STATES.items() if its == state)
    assert page["counts"]["history_only"] == 4


def test_sites_of_devices_that_never_spoke_are_known(web: TestClient) -> None:
    assert [one["device_id"] for one in ask(web, site="hall-2")["devices"]] == ["new"]
    assert [one["device_id"] for one in ask(web, site="hall-1")["devices"]] == ["both"]
    assert ask(web, site="hall-1")["counts"]["offline"] == 1


@pytest.mark.parametrize("device", STATES)
def test_each_is_found_by_its_id(web: TestClient, device: str) -> None:
    found = ask(web, f"/devices/{device}")
    assert (found["state"], found["registered"]) == (STATES[device], device in ("both", "new"))
    (listed,) = [one for one in ask(web)["devices"] if one["device_id"] == device]
    assert listed == found


@pytest.mark.parametrize("what", ["events", "sessions"])
def test_a_registered_device_that_never_spoke_has_a_history_that_is_empty(web: TestClient, what: str) -> None:
    assert ask(web, f"/devices/new/{what}")[what] == []


def test_what_is_not_known_of_a_device_is_null(web: TestClient) -> None:
    new, past = ask(web, "/devices/new"), ask(web, "/devices/past")
    assert (new["last_seen"], new["freshness_ms"], new["metrics"], new["online"]) == (None, None, {}, False)
    assert new["registered_at_ms"] > NOW_MS
    assert (past["last_seen_ms"], past["registered_at"]) == (PAST_MS + HOUR_MS, None)


def test_who_is_unknown_to_all_is_a_problem_that_says_where_to_look(web: TestClient) -> None:
    for path in ("/devices/nobody", "/devices/theirs", "/data/nobody", "/data/nobody?metric=t_c"):
        reply = web.get(path)
        assert (reply.status_code, reply.json()["type"]) == (404, "urn:millrace:problem:unknown-device"), path
        assert "/devices?tenant=demo" in reply.json()["mend"]


@pytest.mark.parametrize("parameters", [{}, {"metric": "pm25_ugm3"}, {"resolution": "raw"}])
@pytest.mark.parametrize("device", ["past", "new", "old"])
def test_data_of_a_known_device_without_readings_in_the_range_is_empty(
    web: TestClient, device: str, parameters: dict[str, str]
) -> None:
    found = ask(web, f"/data/{device}", **parameters)
    assert sum(len(one["time_ms"]) for one in found["series"].values() if "time_ms" in one) == 0


def test_imported_readings_are_found_without_naming_a_metric(web: TestClient) -> None:
    span = {"from": PAST_MS - 1, "to": PAST_MS + 2 * HOUR_MS, "resolution": "raw"}
    assert list(ask(web, "/data/past", **span)["series"]) == ["pm25_ugm3"]


def test_a_device_that_was_imported_since_is_listed_at_once(config: Settings, web: TestClient) -> None:
    names = ["x", "y", "z"]
    for order in list(permutations(names))[:2]:
        _store(config, ("iot", "readings"), [(name, PAST_MS) for name in order], tenant="later")
        found = ask(web, tenant="later")
        assert [one["device_id"] for one in found["devices"]] == sorted(names, reverse=True)
        assert ask(web, tenant="later", order="id", limit=2)["counts"]["history_only"] == 3


def test_a_rule_about_what_nobody_has_warns_and_names_the_nearest(web: TestClient) -> None:
    rule = {
        "rule": "misspelt",
        "when": {"kind": "threshold", "metric": "t_cc", "raise_above": 90},
        "scope": {"sites": ["hal-1"], "devices": ["pas", "past"]},
    }
    wanted = [
        "there is no site 'hal-1'; did you mean 'hall-1'?",
        "nobody knows a device 'pas'; did you mean 'past'?",
        "no device has sent metric 't_cc'; did you mean 't_c'?",
    ]
    made = web.post("/rules", json=rule)
    assert made.status_code == 201, made.text
    assert made.json()["warnings"] == wanted
    put = web.put("/rules/misspelt", json=rule | {"about": "again"}, headers={"If-Match": "*"})
    assert (put.status_code, put.json()["warnings"]) == (200, wanted)
    for dry_run in (True, False):
        found = web.post("/rules/import", json=[rule], params={"dry_run": dry_run}).json()
        assert found["warnings"] == [f"misspelt: {said}" for said in wanted]
    known = rule | {"rule": "known", "when": rule["when"] | {"metric": "t_c"}, "scope": {"sites": ["hall-1"]}}  # type: ignore[operator]
    assert web.post("/rules", json=known).json()["warnings"] == []
