"""`/data` over hot, warm and cold, against DuckDB over the same readings: points, pages, time travel."""

import io
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fastapi.testclient import TestClient
from redis import Redis

from api.app import create_app
from api.dependencies import current_time_ms
from api.queries.timerange import STEP_MS, Resolution
from api.series_answers import ManySeriesAnswer, SeriesAnswer
from catalog.lake import load_lake
from catalog.tables import apply_tables
from millrace.clock import from_iso
from millrace.secrets import load_secrets
from tests.integration.conftest import NOW_MS, Writer
from tests.integration.history_world import (
    DAY_MS,
    FROM_MS,
    HOUR_MS,
    MINUTE_MS,
    MOVED_BEFORE_MS,
    READINGS,
    ROLLUPS,
    History,
    Reading,
    minutes,
    stored_row,
)
from tests.integration.own_services import own_services

pytestmark = [pytest.mark.integration, pytest.mark.web, pytest.mark.lakehouse]

HOT_FROM_MS = (NOW_MS - DAY_MS) // HOUR_MS * HOUR_MS
POINT = ("time_ms", "count", "min", "max", "sum", "first", "last")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[History]:
    with own_services(tmp_path_factory.mktemp("tiers"), "tiers", 15_000, "postgres", "redis") as config:
        lake = load_lake(config)
        apply_tables(lake)
        password = load_secrets(config).redis.get_secret_value()
        with Redis(port=config.port("redis"), password=password) as client:
            made = History(config, lake, Writer(client))
            yield made
            made.close()


@pytest.fixture(scope="module")
def web(world: History) -> Iterator[TestClient]:
    app = create_app(world.config)
    app.dependency_overrides[current_time_ms] = lambda: NOW_MS
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def later(world: History) -> Iterator[TestClient]:
    """Ask after the commits, which are of today; the readings are not."""
    with TestClient(create_app(world.config), raise_server_exceptions=False) as client:
        yield client


def ask(web: TestClient, path: str = "/data/pump-1", **parameters: Any) -> Any:
    reply = web.get(path, params={name.rstrip("_"): value for name, value in parameters.items()})
    assert reply.status_code == 200, reply.text
    (SeriesAnswer if path.startswith("/data/") else ManySeriesAnswer).model_validate(reply.json())
    return reply.json()


def problem(web: TestClient, path: str = "/data/pump-1", **parameters: Any) -> tuple[int, str]:
    reply = web.get(path, params={name.rstrip("_"): value for name, value in parameters.items()})
    assert reply.headers["content-type"] == "application/problem+json", reply.text
    return reply.status_code, reply.json()["type"].removeprefix("urn:millrace:problem:")


def rows(points: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [tuple(point[name] for name in POINT) for point in points]


def walk(web: TestClient, path: str = "/data/pump-1", **parameters: Any) -> Iterator[Any]:
    page = ask(web, path, **parameters)
    yield page
    while page["next_cursor"]:
        page = ask(web, path, **parameters, cursor=page["next_cursor"])
        yield page


# From the archive over the warm tier into Redis.
@pytest.mark.parametrize("resolution", ["10s", "1m", "5m", "1h", "3h", "1d"])
@pytest.mark.parametrize("metric", ["x", "y"])
def test_points_over_all_tiers_equal_what_duckdb_makes_of_the_readings(
    web: TestClient, world: History, resolution: Resolution, metric: str
) -> None:
    found = ask(web, from_=FROM_MS + 12_345_678, to=NOW_MS - 54_321, resolution=resolution)
    step_ms = STEP_MS[resolution]
    assert (found["from_ms"], found["to_ms"] - step_ms < NOW_MS) == (
        (FROM_MS + 12_345_678) // step_ms * step_ms,
        True,
    )
    wanted = world.expected("pump-1", metric, found["from_ms"], found["to_ms"], step_ms)
    assert rows(found["series"][metric]) == wanted


@pytest.mark.parametrize("cut_ms", [HOT_FROM_MS, MOVED_BEFORE_MS])
@pytest.mark.parametrize("resolution", ["10s", "30s", "1m", "15m", "6h"])
def test_a_window_that_two_tiers_share_is_whole(
    web: TestClient, world: History, cut_ms: int, resolution: Resolution
) -> None:
    asked = {"from_": cut_ms - HOUR_MS, "to": cut_ms + HOUR_MS, "resolution": resolution}
    found = ask(web, "/data/pump-3", **asked)
    wanted = world.expected("pump-3", "x", found["from_ms"], found["to_ms"], STEP_MS[resolution])
    assert rows(found["series"]["x"]) == wanted


def test_stretches_follow_each_other_without_a_gap_and_name_what_they_read(
    web: TestClient, world: History
) -> None:
    found = ask(web, from_=FROM_MS, to=NOW_MS - 60_000, resolution="30s", metric="x")
    stretches = found["stretches"]
    assert [one["tier"] for one in stretches] == found["tiers"] == ["cold", "warm", "hot"]
    assert (stretches[0]["from_ms"], stretches[-1]["to_ms"]) == (found["from_ms"], found["to_ms"])
    assert all(one["to_ms"] == other["from_ms"] for one, other in pairwise(stretches))
    newest = world.table(READINGS).current_snapshot()
    assert newest is not None
    assert stretches[1]["snapshot_id"] == str(newest.snapshot_id)
    assert [source["table"] for source in stretches[0]["sources"]] == ["iot_archive.readings", "iot.readings"]
    assert (stretches[2]["snapshot_id"], stretches[2]["sources"]) == (None, [])
    assert stretches[0]["to_ms"] <= MOVED_BEFORE_MS


def test_minutes_come_from_rollups_whatever_their_age(web: TestClient) -> None:
    found = ask(web, from_=FROM_MS, to=NOW_MS - 60_000, resolution="1h")
    assert found["tiers"] == ["warm", "hot"]
    assert [one["table"] for one in found["stretches"][0]["sources"]] == ["iot.rollups_1m"]


def test_completeness_is_what_was_found_of_what_the_profile_expects(web: TestClient, world: History) -> None:
    asked = {"from_": FROM_MS, "to": FROM_MS + 2 * DAY_MS, "resolution": "1h"}
    (stretch,) = ask(web, "/data/pump-2", **asked)["stretches"]
    own = world.counted(FROM_MS, FROM_MS + 2 * DAY_MS, ["pump-2"])
    assert (stretch["found"], stretch["expected"]) == (len(own), 2 * DAY_MS // 30_000)
    assert stretch["completeness"] == round(len(own) / 5760, 4) < 0.91
    # pump-3 has no profile: nobody knows how often it should speak.
    (unknown,) = ask(web, "/data/pump-3", **asked)["stretches"]
    assert (unknown["expected"], unknown["completeness"]) == (None, None)


@pytest.mark.parametrize(("resolution", "limit"), [("1h", 7), ("1m", 999), ("10s", 3_000)])
def test_pages_over_all_tiers_hold_every_point_once(
    web: TestClient, world: History, resolution: Resolution, limit: int
) -> None:
    asked = {"from_": FROM_MS + 1, "to": NOW_MS - 90_000, "resolution": resolution, "metric": "x"}
    pages = list(walk(web, **asked, limit=limit))
    assert len(pages) > 5
    assert all(one["to_ms"] == other["from_ms"] for one, other in pairwise(pages))
    found = [row for page in pages for row in rows(page["series"]["x"])]
    step_ms = STEP_MS[resolution]
    assert found == world.expected("pump-1", "x", pages[0]["from_ms"], pages[-1]["to_ms"], step_ms)


@pytest.mark.parametrize("limit", [997])
def test_pages_of_single_readings_hold_each_once_in_order(
    web: TestClient, world: History, limit: int
) -> None:
    to_ms = FROM_MS + DAY_MS + 6 * HOUR_MS
    asked = {"devices": "pump-2,pump-1,pump-3", "from_": FROM_MS, "to": to_ms, "resolution": "raw"}
    found: list[tuple[int, str, float, bool]] = []
    for page in walk(web, "/data", **asked, limit=limit):
        shown = [
            (point["time_ms"], device["device_id"], point["value"], point["late"])
            for device in page["devices"]
            for point in device["series"]["x"]
        ]
        assert len(shown) <= limit
        found += sorted(shown)
    wanted = [(o.time_ms, o.device_id, o.x, o.mark == "late") for o in world.counted(FROM_MS, to_ms)]
    assert found == wanted


def test_a_page_may_end_between_devices_that_spoke_at_the_same_time(web: TestClient) -> None:
    at_ms = FROM_MS + 7_777_777
    asked = {"devices": "pump-1,pump-2,pump-3", "from_": at_ms, "to": at_ms + 1, "resolution": "raw"}
    pages = list(walk(web, "/data", **asked, limit=1))
    speakers = [[d["device_id"] for d in page["devices"] if d["series"].get("x")] for page in pages]
    assert speakers == [["pump-1"], ["pump-2"], ["pump-3"]]


def test_pages_are_of_the_lake_the_first_page_saw_whatever_arrives_meanwhile(
    web: TestClient, world: History
) -> None:
    asked = {"from_": FROM_MS, "to": FROM_MS + DAY_MS, "resolution": "5m", "metric": "x", "limit": 100}
    wanted = world.expected("pump-1", "x", FROM_MS, FROM_MS + DAY_MS, 300_000)
    pages = walk(web, **asked)
    found = rows(next(pages)["series"]["x"])
    intruders = [
        Reading("pump-1", f"i{n}", FROM_MS + n * HOUR_MS, 5e6, None, "late", 10**6 + n) for n in range(24)
    ]
    corrected = [row | {"revision": 7} for row in minutes(intruders, with_late=True)]
    before = world.table(ROLLUPS).current_snapshot()
    world.append(ROLLUPS, corrected)
    try:
        found += [row for page in pages for row in rows(page["series"]["x"])]
        assert found == wanted
        assert max(row[3] for row in rows(ask(web, **asked)["series"]["x"])) == 5e6
    finally:
        assert before is not None
        table = world.table(ROLLUPS)
        table.manage_snapshots().rollback_to_snapshot(before.snapshot_id).commit()


def test_as_of_shows_minutes_as_they_were_before_they_were_corrected(
    web: TestClient, later: TestClient, world: History
) -> None:
    asked = {"from_": FROM_MS, "to": FROM_MS + DAY_MS, "resolution": "1m", "metric": "x"}
    table = world.table(ROLLUPS)
    before, now = (table.snapshot_by_id(i) for i in (world.first_minutes, world.corrected_minutes))
    assert before is not None
    assert now is not None
    told = {
        row["window_start"]: row
        for row in minutes(world.stored, with_late=False)
        if row["device_id"] == "pump-1" and row["metric"] == "x"
    }
    for as_of in (str(before.snapshot_id), f"snapshot:{before.snapshot_id}", str(before.timestamp_ms)):
        found = ask(later, **asked, as_of=as_of)
        assert found["stretches"][0]["snapshot_id"] == str(before.snapshot_id)
        assert {point["time_ms"]: point["count"] for point in found["series"]["x"]} == {
            round(at.timestamp() * 1000): row["count"]
            for at, row in told.items()
            if round(at.timestamp() * 1000) < FROM_MS + DAY_MS
        }
    assert rows(ask(web, **asked, as_of=now.snapshot_id)["series"]["x"]) == world.expected(
        "pump-1", "x", FROM_MS, FROM_MS + DAY_MS, MINUTE_MS
    )


def test_another_time_is_answered_by_the_lake_alone(web: TestClient, world: History) -> None:
    asked = {"from_": NOW_MS - 2 * HOUR_MS, "to": NOW_MS - HOUR_MS, "resolution": "1m"}
    found = ask(web, **asked, as_of=world.corrected_minutes)
    assert found["tiers"] == ["warm"]
    assert found["series"] == ask(web, **asked)["series"]


def test_pages_and_times_whose_snapshot_is_gone_are_refused(
    web: TestClient, later: TestClient, world: History
) -> None:
    snapshots = [world.append(READINGS, [stored_row(one)]) for one in _elsewhere(3)]
    asked = {"from_": FROM_MS, "to": FROM_MS + HOUR_MS, "resolution": "raw"}
    cursor = ask(web, **asked, limit=5)["next_cursor"]
    world.append(READINGS, [stored_row(one) for one in _elsewhere(1)])
    table = world.table(READINGS)
    older = [one for one in table.snapshots() if one.snapshot_id != table.metadata.current_snapshot_id]
    first_ms = min(one.timestamp_ms for one in older)
    table.maintenance.expire_snapshots().by_ids([one.snapshot_id for one in older]).commit()
    assert problem(web, **asked, cursor=cursor) == (410, "snapshot-gone")
    assert problem(later, **asked, as_of=first_ms) == (410, "snapshot-gone")
    # Nothing tells an id that is gone from one that never was.
    assert problem(web, **asked, as_of=snapshots[0]) == (404, "unknown-snapshot")
    assert problem(web, **asked, as_of=1234567890123456789) == (404, "unknown-snapshot")


def test_before_the_first_snapshot_there_was_nothing(later: TestClient, world: History) -> None:
    asked = {"from_": FROM_MS, "to": FROM_MS + HOUR_MS, "resolution": "1m", "metric": "x"}
    first_ms = min(one.timestamp_ms for one in world.table(ROLLUPS).snapshots())
    found = ask(later, **asked, as_of=first_ms - 1)
    assert (found["series"], found["complete"]) == ({"x": []}, False)


def _elsewhere(count: int) -> list[Reading]:
    return [
        Reading("other", f"o{n}", NOW_MS - DAY_MS, 1.0, None, "on_time", 2 * 10**6 + n) for n in range(count)
    ]


def test_every_format_holds_the_same_points(web: TestClient) -> None:
    asked = {"devices": "pump-1,pump-2", "metrics": "x,y", "from_": FROM_MS, "to": FROM_MS + DAY_MS}
    told = [
        (device["device_id"], metric, point["time_ms"], point["count"], point["avg"])
        for device in ask(web, "/data", **asked)["devices"]
        for metric, points in device["series"].items()
        for point in points
    ]
    parameters = {name.rstrip("_"): value for name, value in asked.items()}
    csv, arrow, parquet = (
        web.get("/data", params=parameters | {"format": form}) for form in ("csv", "arrow", "parquet")
    )
    frames = [
        pd.read_csv(io.BytesIO(csv.content), parse_dates=["time"], float_precision="round_trip"),
        pa.ipc.open_stream(arrow.content).read_all().to_pandas(),
        pq.read_table(io.BytesIO(parquet.content)).to_pandas(),
    ]
    assert len(told) > 1000
    for frame in frames:
        frame["time"] = frame["time"].astype("datetime64[ms, UTC]").astype("int64")
        columns = ("device_id", "metric", "time", "count", "avg")
        assert list(zip(*(frame[name] for name in columns), strict=True)) == told


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("text/csv", "text/csv; charset=utf-8"),
        ("application/vnd.apache.arrow.stream;q=0.9, */*", "application/vnd.apache.arrow.stream"),
        ("application/vnd.apache.parquet", "application/vnd.apache.parquet"),
        ("text/html, */*", "application/json"),
    ],
)
def test_the_accept_header_chooses_the_format_and_format_overrules_it(
    web: TestClient, accept: str, media_type: str
) -> None:
    reply = web.get("/data/pump-1", headers={"Accept": accept})
    assert reply.headers["content-type"] == media_type
    overruled = web.get("/data/pump-1", params={"format": "json"}, headers={"Accept": accept})
    assert overruled.headers["content-type"] == "application/json"


def test_a_table_leads_to_its_next_page_by_its_header(web: TestClient, world: History) -> None:
    asked = f"/data/pump-1?from={FROM_MS}&to={FROM_MS + DAY_MS}&resolution=1h&metric=x&format=csv&limit=10"
    counts: list[int] = []
    link: str | None = asked
    while link:
        reply = web.get(link)
        counts += pd.read_csv(io.BytesIO(reply.content))["count"].tolist()
        link = reply.links.get("next", {}).get("url")
    wanted = world.expected("pump-1", "x", FROM_MS // HOUR_MS * HOUR_MS, FROM_MS + DAY_MS, HOUR_MS)
    assert counts == [row[1] for row in wanted]


def test_lttb_keeps_points_that_are_there_and_the_extremes_of_a_spike(
    web: TestClient, world: History
) -> None:
    asked = {"from_": FROM_MS, "to": FROM_MS + 3 * DAY_MS, "metric": "x"}
    found = ask(web, **asked, resolution="1h", downsample="lttb")
    finer = world.expected("pump-1", "x", FROM_MS, FROM_MS + 3 * DAY_MS, found["sampled_from_ms"])
    means = {row[0]: row[4] / row[1] for row in finer}
    picked = [(point["time_ms"], point["value"]) for point in found["series"]["x"]]
    assert len(picked) == 72
    assert all(means[time_ms] == value for time_ms, value in picked)
    assert (picked[0][0], picked[-1][0]) == (finer[0][0], finer[-1][0])


def test_averages_are_those_of_all_aggregates(web: TestClient) -> None:
    asked = {"from_": FROM_MS, "to": NOW_MS, "resolution": "6h", "metric": "y"}
    averages = ask(web, **asked, downsample="avg")["series"]["y"]
    everything = ask(web, **asked)["series"]["y"]
    assert averages == [
        {name: one[name] for name in ("time", "time_ms", "count", "avg")} for one in everything
    ]


def test_a_device_that_redis_forgot_is_answered_from_the_lake(web: TestClient, world: History) -> None:
    start_ms = from_iso("2025-12-31T23:00:00Z")
    forgotten = [
        Reading("old", f"{n}", start_ms + n * MINUTE_MS, n, None, "on_time", 5 * 10**6 + n) for n in range(90)
    ]
    world.append(ROLLUPS, minutes(forgotten, with_late=False))
    asked = {"from_": start_ms, "to": start_ms + 90 * MINUTE_MS, "resolution": "1m"}
    found = ask(web, "/data/old", **asked)
    assert [row[2] for row in rows(found["series"]["x"])] == list(range(90))
    assert (found["latest"], found["freshness"]["newest_event_time"]) == ({}, None)
    assert problem(web, "/data/never", **asked) == (404, "unknown-device")
    assert problem(web, "/data/old", **asked, metric="nope") == (404, "unknown-device")


@pytest.mark.parametrize(
    ("path", "parameters", "where"),
    [
        ("/data", {"devices": ","}, "devices"),
        ("/data", {"devices": ",".join(f"d{n}" for n in range(201))}, "devices"),
        ("/data/pump-1", {"as_of": "tomorrow"}, "as_of"),
        ("/data/pump-1", {"as_of": str(NOW_MS + 1)}, "as_of"),
        ("/data/pump-1", {"cursor": "none of ours"}, "cursor"),
        ("/data/pump-1", {"cursor": "WzEsMCwxLDYwMDAwLDAsMCx7fV0"}, "cursor"),
        ("/data/pump-1", {"resolution": "raw", "downsample": "lttb"}, "downsample"),
        ("/data/pump-1", {"from": "-400d", "resolution": "10s"}, "metric"),
        ("/data/pump-1", {"limit": "0"}, "limit"),
        ("/data/pump-1", {"format": "xml"}, "format"),
    ],
)
def test_what_cannot_be_answered_names_the_parameter(
    web: TestClient, path: str, parameters: dict[str, str], where: str
) -> None:
    reply = web.get(path, params=parameters)
    assert (reply.status_code, reply.json()["where"]) == (422, where)


def test_a_cursor_of_another_question_is_refused(web: TestClient) -> None:
    asked = {"from_": FROM_MS, "to": FROM_MS + DAY_MS, "resolution": "1h"}
    cursor = ask(web, **asked, limit=3)["next_cursor"]
    assert problem(web, "/data/pump-2", **asked, cursor=cursor) == (422, "wrong-parameter")
