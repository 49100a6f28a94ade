"""`/devices` against a real Redis, written as the rollups job writes it."""

import itertools
from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.integration.conftest import NOW_MS, Writer

pytestmark = [pytest.mark.integration, pytest.mark.web]


def ask(web: TestClient, **parameters: Any) -> Any:
    reply = web.get("/devices", params=parameters)
    assert reply.status_code == 200, reply.text
    return reply.json()


def walk(web: TestClient, **parameters: Any) -> list[str]:
    found: list[str] = []
    cursor: dict[str, str] = {}
    for _ in range(100):
        page = ask(web, **parameters, **cursor)
        assert len(page["devices"]) <= parameters["limit"]
        found += [device["device_id"] for device in page["devices"]]
        if page["next_cursor"] is None:
            return found
        cursor = {"cursor": page["next_cursor"]}
    pytest.fail("the walk does not end")


def test_no_devices_is_an_empty_page(web: TestClient, writer: Writer) -> None:
    page = ask(web)
    assert (page["tenant"], page["total"], page["devices"], page["next_cursor"]) == ("demo", 0, [], None)


def test_devices_come_newest_first_with_their_newest_state(web: TestClient, writer: Writer) -> None:
    writer.latest("old", NOW_MS - 400_000, {"t_c": 1.0})
    writer.latest("new", NOW_MS - 1_000, {"t_c": 2.5, "rh_pct": 40.0}, '{"lat": 39.9, "lon": 116.4}')
    new, old = ask(web)["devices"]
    assert (new["device_id"], new["online"], new["freshness_ms"]) == ("new", True, 1_000)
    assert new["last_seen"] == "2026-01-31T12:00:04.000Z"
    assert new["received_at_ms"] == NOW_MS - 960
    assert {name: latest["value"] for name, latest in new["metrics"].items()} == {"t_c": 2.5, "rh_pct": 40.0}
    assert new["location"] == {"lat": 39.9, "lon": 116.4, "alt_m": None}
    assert (old["device_id"], old["online"], old["location"]) == ("old", False, None)


@pytest.mark.parametrize("order", sorted(set(itertools.permutations([0, 1, 2, 1]))))
def test_the_newest_reading_wins_in_whatever_order_and_however_often_it_comes(
    web: TestClient, writer: Writer, order: tuple[int, ...]
) -> None:
    readings: list[tuple[int, dict[str, float]]] = [
        (NOW_MS - 9_000, {"a": 1.0, "only_old": 7.0}),
        (NOW_MS - 5_000, {"a": 2.0, "b": 2.0}),
        (NOW_MS - 1_000, {"a": 3.0}),
    ]
    for place in order:
        writer.latest("d1", *readings[place])
    device = web.get("/devices/d1").json()
    assert device["last_seen_ms"] == NOW_MS - 1_000
    assert {
        name: (latest["value"], NOW_MS - latest["time_ms"]) for name, latest in device["metrics"].items()
    } == {
        "a": (3.0, 1_000),
        "b": (2.0, 5_000),
        "only_old": (7.0, 9_000),
    }


@pytest.mark.parametrize("order", ["newest", "id"])
@pytest.mark.parametrize("limit", [1, 7, 100])
def test_a_walk_shows_every_device_exactly_once_even_where_times_are_equal(
    web: TestClient, writer: Writer, order: str, limit: int
) -> None:
    for number in range(40):
        writer.latest(f"d{number:02}", NOW_MS - number // 10 * 1_000, {"a": 1.0})
    found = walk(web, limit=limit, order=order)
    assert sorted(found) == [f"d{number:02}" for number in range(40)]
    if order == "id":
        assert found == sorted(found)


def test_more_devices_at_one_time_than_redis_is_asked_for_at_once_are_all_walked(
    web: TestClient, writer: Writer
) -> None:
    writer.client.zadd("devices:{demo}", {f"d{number:04}": NOW_MS for number in range(1_203)})
    assert len(set(walk(web, limit=600))) == 1_203


def test_a_walk_by_id_misses_nobody_while_devices_report(web: TestClient, writer: Writer) -> None:
    for number in range(6):
        writer.latest(f"d{number}", NOW_MS - 10_000 + number, {"a": 1.0})
    first = ask(web, limit=3, order="id")
    for number in range(6):
        writer.latest(f"d{number}", NOW_MS - number, {"a": 2.0})
    second = ask(web, limit=3, order="id", cursor=first["next_cursor"])
    assert [device["device_id"] for page in (first, second) for device in page["devices"]] == [
        f"d{number}" for number in range(6)
    ]


def test_state_divides_the_devices_at_five_minutes(web: TestClient, writer: Writer) -> None:
    for device_id, age_ms in {"now": 0, "edge": 300_000, "past": 300_001}.items():
        writer.latest(device_id, NOW_MS - age_ms, {"a": 1.0})
    online, offline = ask(web, state="online"), ask(web, state="offline")
    assert [device["device_id"] for device in online["devices"]] == ["now", "edge"]
    assert [device["device_id"] for device in offline["devices"]] == ["past"]
    assert (online["total"], offline["total"], ask(web)["total"]) == (2, 1, 3)
    assert walk(web, state="online", limit=1) == ["now", "edge"]


def test_a_state_the_stream_told_counts_before_the_newest_event_time(web: TestClient, writer: Writer) -> None:
    told = {"a": "offline", "b": "online", "c": "maintenance", "d": "", "e": ""}
    for number, (device_id, state) in enumerate(told.items()):
        age_ms = 400_000 if device_id in "be" else number
        writer.latest(device_id, NOW_MS - age_ms, {"t_c": 1.0})
        if state:
            writer.client.hset(f"device:{{demo:{device_id}}}", mapping={"@state": state, "@site": "hall-4"})
    found = {
        state: walk(web, state=state, limit=2, order="id") for state in ("online", "offline", "maintenance")
    }
    assert found == {"online": ["b", "d"], "offline": ["a", "e"], "maintenance": ["c"]}
    assert walk(web, site="hall-4", limit=2) == ["a", "c", "b"]
    assert walk(web, site="hall-4", state="offline", limit=2) == ["a"]
    assert ask(web, site="elsewhere")["total"] == 0
    assert web.get("/devices/c").json()["state"] == "maintenance"


def test_a_tenant_sees_its_own_devices_only(web: TestClient, writer: Writer) -> None:
    writer.latest("mine", NOW_MS, {"a": 1.0})
    Writer(writer.client, "other").latest("theirs", NOW_MS, {"a": 1.0})
    assert [device["device_id"] for device in ask(web)["devices"]] == ["mine"]
    assert [device["device_id"] for device in ask(web, tenant="other")["devices"]] == ["theirs"]


def test_while_registry_and_lake_are_away_redis_is_listed_and_of_others_nobody_is_sure(
    web: TestClient, writer: Writer
) -> None:
    writer.latest("mine", NOW_MS, {"a": 1.0})
    page = ask(web)
    assert (page["total"], page["unanswered"]) == (1, ["registry", "lake"])
    assert (page["devices"][0]["registered"], page["devices"][0]["state"]) == (None, "online")
    reply = web.get("/devices/nobody")
    assert (reply.status_code, reply.json()["type"]) == (503, "urn:millrace:problem:store-unavailable")


@pytest.mark.parametrize(
    ("parameter", "value"), [("limit", "0"), ("limit", "x"), ("state", "up"), ("cursor", "!"), ("order", "z")]
)
def test_a_wrong_parameter_is_named(web: TestClient, writer: Writer, parameter: str, value: str) -> None:
    reply = web.get("/devices", params={parameter: value})
    assert reply.status_code == 422
    assert [wrong["parameter"] for wrong in reply.json()["errors"]] == [parameter]
    assert reply.json()["errors"][0]["accepted"]
