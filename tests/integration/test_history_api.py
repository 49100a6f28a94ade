"""`/data` over hot, warm and cold, against DuckDB over the same readings: points, stretches, pages."""

from collections.abc import Iterator
from itertools import pairwise

import pytest
from fastapi.testclient import TestClient

from api.queries.timerange import STEP_MS, Fixed
from tests.integration.conftest import NOW_MS
from tests.integration.history_client import ask, asking, history_of, rows, walk
from tests.integration.history_world import (
    DAY_MS,
    FROM_MS,
    HOUR_MS,
    MOVED_BEFORE_MS,
    READINGS,
    ROLLUPS,
    History,
    Reading,
    minutes,
)

pytestmark = [pytest.mark.integration, pytest.mark.web, pytest.mark.lakehouse]

HOT_FROM_MS = (NOW_MS - DAY_MS) // HOUR_MS * HOUR_MS


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[History]:
    with history_of(tmp_path_factory.mktemp("tiers")) as made:
        yield made


@pytest.fixture(scope="module")
def web(world: History) -> Iterator[TestClient]:
    with asking(world, NOW_MS) as client:
        yield client


# From the archive over the warm tier into Redis.
@pytest.mark.parametrize("resolution", ["10s", "1m", "5m", "1h", "3h", "1d"])
@pytest.mark.parametrize("metric", ["x", "y"])
def test_points_over_all_tiers_equal_what_duckdb_makes_of_the_readings(
    web: TestClient, world: History, resolution: Fixed, metric: str
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
    web: TestClient, world: History, cut_ms: int, resolution: Fixed
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
    web: TestClient, world: History, resolution: Fixed, limit: int
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
