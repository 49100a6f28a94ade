"""`/data` of another time, in other formats, sampled down; and what it refuses."""

import io
from collections.abc import Iterator

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fastapi.testclient import TestClient

from millrace.clock import from_iso, now_ms
from tests.integration.conftest import NOW_MS
from tests.integration.history_client import ask, asking, history_of, problem, rows
from tests.integration.history_world import (
    DAY_MS,
    FROM_MS,
    HOUR_MS,
    MINUTE_MS,
    READINGS,
    ROLLUPS,
    History,
    Reading,
    minutes,
    stored_row,
)

pytestmark = [pytest.mark.integration, pytest.mark.web, pytest.mark.lakehouse]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[History]:
    with history_of(tmp_path_factory.mktemp("tiers")) as made:
        yield made


@pytest.fixture(scope="module")
def web(world: History) -> Iterator[TestClient]:
    with asking(world, NOW_MS) as client:
        yield client


@pytest.fixture
def later(world: History) -> Iterator[TestClient]:
    """Ask after the commits, which are of today; the readings are not."""
    with asking(world, now_ms()) as client:
        yield client


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
    extremes = {row[0]: (row[2], row[3]) for row in finer}
    picked = [(point["time_ms"], point["value"]) for point in found["series"]["x"]]
    assert len(picked) == 72
    assert all(value in extremes[time_ms] for time_ms, value in picked)
    assert (picked[0][0], picked[-1][0]) == (finer[0][0], finer[-1][0])


def test_averages_are_those_of_all_aggregates(web: TestClient) -> None:
    asked = {"from_": FROM_MS, "to": NOW_MS, "resolution": "6h", "metric": "y"}
    averages = ask(web, **asked, downsample="avg")["series"]["y"]
    everything = ask(web, **asked)["series"]["y"]
    assert averages == [
        {name: one[name] for name in ("time", "time_ms", "count", "avg", "open") if name in one}
        for one in everything
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
