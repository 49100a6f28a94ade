"""`/devices/{device_id}/sessions` and `/events` over a real lake and Redis, whatever order rows came in."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest
from fastapi.testclient import TestClient
from redis import Redis

from api.app import create_app
from api.dependencies import current_time_ms
from catalog.lake import load_lake
from catalog.tables import apply_tables
from millrace.clock import now_ms, to_iso
from millrace.secrets import load_secrets
from millrace.settings import Settings
from tests.integration.conftest import NOW_MS, Writer
from tests.integration.own_services import own_services
from udfs.hot_series import device_key

pytestmark = [pytest.mark.integration, pytest.mark.web, pytest.mark.sessions]

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
# The same pump in the commits of the lake: start and end in minutes before now, and what is special.
SESSIONS: list[list[tuple[str, int, int, dict[str, Any]]]] = [
    [("pump", 50, 40, {}), ("fan", 50, 40, {}), ("pump", 600, 550, {})],
    # Late readings: the session of before began earlier and is longer now; another merged into it.
    [("pump", 130, 120, {}), ("pump", 100, 90, {})],
    [("pump", 130, 90, {"readings": 25, "late_count": 5, "revision": 1})],
    [("pump", 100, 90, {"revision": 1, "superseded": True})],
    # Told last, though it was first; the same row twice.
    [("pump", 300, 290, {}), ("pump", 50, 40, {})],
    # Cut in two since it was told: the revision that counts ends before what is asked for below.
    [("pump", 900, 500, {}), ("pump", 900, 700, {"revision": 1}), ("pump", 560, 500, {})],
    [("pump", 45, 41, {"tenant": "other"})],
]
EXPECTED = [(50, 40), (130, 90), (300, 290), (560, 500), (600, 550), (900, 700)]
# Commits of events: minutes before now, type, and what is special.
EVENTS: list[list[tuple[int, str, dict[str, Any]]]] = [
    [(40, "offline", {"part_of": "site_silent:1", "site": "hall"}), (50, "online", {})],
    [(50, "online", {}), (300, "rebooted", {"details": [("seq_before", "9"), ("seq_after", "1")]})],
    [(120, "offline", {"event_id": "b"}), (120, "flapping", {"event_id": "c"})],
    [(30, "online", {"device_id": "fan"}), (30, "site_silent", {"device_id": "", "site": "hall"})],
    [(30, "online", {"tenant": "other"})],
]
TOLD = [(40, "offline"), (50, "online"), (120, "flapping"), (120, "offline"), (300, "rebooted")]


def moment(minutes_ago: int) -> datetime:
    return datetime.fromtimestamp((NOW_MS - minutes_ago * MINUTE_MS) / 1000, UTC)


def session(device: str, start: int, end: int, more: dict[str, Any]) -> dict[str, Any]:
    return {
        "tenant": "demo",
        "device_id": device,
        "session_start": moment(start),
        "session_end": moment(end),
        "readings": 10,
        "gaps": 1,
        "battery_min": 79.5,
        "battery_max": 80.0,
        "site": "",
        "profile": "default",
        "late_count": 0,
        "revision": 0,
        "superseded": False,
    } | more


def event(minutes_ago: int, kind: str, more: dict[str, Any]) -> dict[str, Any]:
    return {
        "event_id": f"{kind}:{minutes_ago}",
        "type": kind,
        "tenant": "demo",
        "device_id": "pump",
        "site": "",
        "event_time": moment(minutes_ago),
        "detected_at": moment(minutes_ago - 1),
        "cause": "silence",
        "part_of": "",
        "devices": 1,
        "details": [],
    } | more


def commit(config: Settings, name: str, rows: list[dict[str, Any]]) -> None:
    table = load_lake(config).load_table(("iot", name))
    table.append(pa.Table.from_pylist(rows, schema=table.schema().as_arrow()))


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    with own_services(tmp_path_factory.mktemp("history"), "history", "postgres", "redis") as config:
        apply_tables(load_lake(config))
        for sessions in SESSIONS:
            commit(config, "sessions", [session(*one) for one in sessions])
        for events in EVENTS:
            commit(config, "device_events", [event(*one) for one in events])
        yield config


@pytest.fixture
def hot(config: Settings) -> Iterator[Redis]:
    with Redis(port=config.port("redis"), password=load_secrets(config).redis.get_secret_value()) as store:
        store.flushall()
        yield store


@pytest.fixture
def history(config: Settings, hot: Redis) -> Iterator[TestClient]:
    app = create_app(config)
    app.dependency_overrides[current_time_ms] = lambda: NOW_MS
    with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
        yield client


def ask(history: TestClient, what: str, device: str = "pump", **parameters: Any) -> Any:
    reply = history.get(f"/devices/{device}/{what}", params=parameters)
    assert reply.status_code == 200, reply.text
    return reply.json()


def walk(history: TestClient, what: str, limit: int) -> list[dict[str, Any]]:
    page = ask(history, what, limit=limit)
    found: list[dict[str, Any]] = page[what]
    while page["next_cursor"]:
        page = ask(history, what, limit=limit, cursor=page["next_cursor"])
        assert 1 <= len(page[what]) <= limit
        found += page[what]
    return found


def ago(time_ms: int) -> int:
    return (NOW_MS - time_ms) // MINUTE_MS


def spans(sessions: list[dict[str, Any]]) -> list[tuple[int, int]]:
    return [(ago(one["session_start_ms"]), ago(one["session_end_ms"])) for one in sessions]


@pytest.mark.parametrize("limit", [1, 2, 5, 100])
def test_each_session_is_told_once_by_its_highest_revision_and_none_that_merged(
    history: TestClient, limit: int
) -> None:
    assert spans(walk(history, "sessions", limit)) == EXPECTED


def test_a_session_says_what_it_held(history: TestClient) -> None:
    page = ask(history, "sessions")
    merged = page["sessions"][1]
    assert (merged["session_start"], merged["session_end"]) == (
        to_iso(NOW_MS - 130 * MINUTE_MS),
        to_iso(NOW_MS - 90 * MINUTE_MS),
    )
    assert (merged["readings"], merged["gaps"], merged["late_count"], merged["revision"]) == (25, 1, 5, 1)
    assert (merged["battery_min"], merged["battery_max"], merged["signal_min"]) == (79.5, 80.0, None)
    assert (merged["site"], merged["profile"]) == (None, "default")


@pytest.mark.parametrize(
    ("span", "expected"),
    [
        (("-45m", "now"), [(50, 40)]),
        (("-39m", "now"), []),
        (("-130m", "-95m"), [(130, 90)]),
        (("-560m", "-400m"), [(560, 500), (600, 550)]),
        (("-540m", "-530m"), [(560, 500)]),
    ],
)
def test_a_session_is_in_a_range_it_touches(
    history: TestClient, hot: Redis, span: tuple[str, str], expected: list[tuple[int, int]]
) -> None:
    Writer(hot).latest("pump", NOW_MS, {"a": 1.0})
    page = ask(history, "sessions", **dict(zip(("from", "to"), span, strict=True)))
    assert spans(page["sessions"]) == expected


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_each_event_is_told_once_the_latest_first(history: TestClient, limit: int) -> None:
    found = walk(history, "events", limit)
    assert [(ago(one["event_time_ms"]), one["type"]) for one in found] == TOLD


def test_an_event_says_why_and_to_what_it_belongs(history: TestClient) -> None:
    page = ask(history, "events")
    first, last = page["events"][0], page["events"][-1]
    assert (first["cause"], first["site"], first["part_of"]) == ("silence", "hall", "site_silent:1")
    assert (first["event_time"], first["detected_at"]) == (
        to_iso(NOW_MS - 40 * MINUTE_MS),
        to_iso(NOW_MS - 39 * MINUTE_MS),
    )
    assert (last["site"], last["part_of"], last["details"]) == (
        None,
        None,
        {"seq_before": "9", "seq_after": "1"},
    )


@pytest.mark.parametrize("what", ["sessions", "events"])
def test_an_answer_says_what_it_covers_and_how_new_it_is(history: TestClient, what: str) -> None:
    page = ask(history, what, **{"from": "-2h"})
    assert (page["tenant"], page["device_id"]) == ("demo", "pump")
    assert (page["from_ms"], page["to_ms"]) == (NOW_MS - 2 * HOUR_MS, NOW_MS)
    freshness = page["freshness"]
    assert now_ms() - 300_000 < freshness["committed_ms"] <= now_ms()
    # Committed after what is now for this API: nothing is fresher than now.
    assert freshness["age_ms"] == 0


def test_the_open_session_comes_from_the_hot_tier(history: TestClient, hot: Redis) -> None:
    assert ask(history, "sessions")["open_since"] is None
    Writer(hot).latest("pump", NOW_MS - 1_000, {"a": 1.0})
    hot.hset(device_key("demo", "pump"), "@session_start", str(NOW_MS - 9_000))
    assert ask(history, "sessions")["open_since"] == to_iso(NOW_MS - 9_000)


@pytest.mark.parametrize("what", ["sessions", "events"])
def test_a_device_that_was_only_seen_has_an_empty_history_and_one_never_seen_has_none(
    history: TestClient, hot: Redis, what: str
) -> None:
    Writer(hot).latest("new", NOW_MS - 1_000, {"a": 1.0})
    assert ask(history, what, "new")[what] == []
    reply = history.get(f"/devices/nobody/{what}")
    assert (reply.status_code, reply.json()["type"]) == (404, "urn:millrace:problem:unknown-device")
    assert "from" in reply.json()["mend"]


@pytest.mark.parametrize("what", ["sessions", "events"])
@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        ({"from": "yesterday"}, "from"),
        ({"from": "now", "to": "-1h"}, "from"),
        ({"cursor": "abc"}, "cursor"),
        ({"cursor": "OTk5OTk5OTk5OTk5OTk5OTk5OTk5OmE"}, "cursor"),
        ({"limit": 0}, "limit"),
    ],
)
def test_what_cannot_be_understood_is_named(
    history: TestClient, what: str, wrong: dict[str, Any], where: str
) -> None:
    reply = history.get(f"/devices/pump/{what}", params=wrong)
    assert reply.status_code == 422
    assert where in reply.json()["where"]


@pytest.mark.parametrize("what", ["sessions", "events"])
def test_a_lake_that_is_away_is_named(hot: Redis, config: Settings, what: str) -> None:
    ports = config.ports.model_copy(update={"postgres": 1_024})
    with TestClient(
        create_app(config.model_copy(update={"ports": ports})), base_url="http://127.0.0.1"
    ) as client:
        reply = client.get(f"/devices/pump/{what}")
    assert (reply.status_code, reply.json()["where"]) == (503, "lake")
