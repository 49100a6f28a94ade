"""`/data` by local days, of counters, of peaks, of what overflows and of what was sent just now."""

import io
import json
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fastapi.testclient import TestClient

from catalog.migrations import connect
from millrace.clock import from_iso
from tests.integration.conftest import NOW_MS
from tests.integration.history_client import ask, asking, history_of, problem
from tests.integration.history_world import (
    DAY_MS,
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


def fill(world: History, device: str, values: Sequence[tuple[int, float]]) -> list[Reading]:
    """Store readings of a metric x, and their minutes."""
    first = next(_OFFSETS) * 1_000_000
    stored = [
        Reading(device, f"{device}:{place}", time_ms, value, None, "on_time", first + place)
        for place, (time_ms, value) in enumerate(values)
    ]
    world.append(READINGS, [stored_row(one) for one in stored])
    world.append(ROLLUPS, minutes(stored, with_late=False))
    return stored


_OFFSETS = iter(range(10, 100))


def every(minute: int, from_: str, to: str) -> range:
    return range(from_iso(from_), from_iso(to), minute * MINUTE_MS)


def register(world: History, device: str, metrics: dict[str, Any], interval_s: int = 600) -> None:
    with connect(world.config) as connection:
        connection.execute(
            "INSERT INTO device_profile (profile, about, expected_interval_s, offline_after_s, metrics) "
            "VALUES (%s, '', %s, 3600, %s)",
            (f"of-{device}", interval_s, json.dumps(metrics)),
        )
        connection.execute(
            "INSERT INTO device (tenant, device_id, profile) VALUES ('demo', %s, %s)",
            (device, f"of-{device}"),
        )


@pytest.mark.parametrize(
    ("day", "next_day", "readings"),
    [
        ("2025-03-30T00:00+01:00", "2025-03-31T00:00+02:00", 23 * 6),
        ("2025-10-26T00:00+02:00", "2025-10-27T00:00+01:00", 25 * 6),
        ("2025-10-27T00:00+01:00", "2025-10-28T00:00+01:00", 24 * 6),
    ],
)
def test_a_local_day_of_23_or_25_hours_is_one_point_with_its_own_completeness(
    web: TestClient, world: History, day: str, next_day: str, readings: int
) -> None:
    device = f"meter-{day[:10]}"
    register(world, device, {})
    around = every(10, "2025-03-28" if "-03-" in day else "2025-10-24", day[:8] + "31")
    fill(world, device, [(time_ms, 1.0) for time_ms in around])
    asked = {"resolution": "1d", "timezone": "Europe/Berlin", "from_": day[:10], "to": next_day[:10]}
    found = ask(web, f"/data/{device}", **asked)
    (point,) = found["series"]["x"]
    assert (found["timezone"], found["from"], found["to"]) == (
        "Europe/Berlin",
        f"{day[:16]}:00.000{day[16:]}",
        f"{next_day[:16]}:00.000{next_day[16:]}",
    )
    assert (point["time"], point["count"], point["expected"]) == (found["from"], readings, readings)
    assert point["width_ms"] == from_iso(next_day) - from_iso(day)
    (stretch,) = found["stretches"]
    assert (stretch["found"], stretch["expected"], stretch["completeness"]) == (readings, readings, 1.0)
    # The same asked with offsets: exactly this range, whatever the zone.
    exact = ask(web, f"/data/{device}", resolution="1d", from_=day, to=next_day)
    assert (exact["from_ms"], exact["to_ms"]) == (found["from_ms"], found["to_ms"])
    assert sum(one["count"] for one in exact["series"]["x"]) == readings


@pytest.mark.parametrize(
    ("zone", "resolution"),
    [("Asia/Kolkata", "1h"), ("Asia/Kathmandu", "3h"), ("Asia/Kathmandu", "30m"), ("America/St_Johns", "1d")],
)
def test_hours_and_days_of_odd_zones_hold_what_was_measured_in_them(
    web: TestClient, world: History, zone: str, resolution: str
) -> None:
    from_ms = world.stored[0].time_ms // DAY_MS * DAY_MS + DAY_MS
    found = ask(
        web, from_=from_ms, to=NOW_MS - HOUR_MS, resolution=resolution, timezone=zone, metrics="x", limit=500
    )
    width = pd.Timedelta(resolution.replace("m", "min"))
    own = world.counted(found["from_ms"], found["to_ms"], ["pump-1"])
    local = pd.to_datetime([one.time_ms for one in own], unit="ms", utc=True).tz_convert(zone)
    wanted = (
        pd.Series([one.x for one in own], local).resample(width, origin="start_day").agg(["count", "sum"])
    )
    assert [(p["time_ms"], p["count"], p["sum"]) for p in found["series"]["x"]] == [
        (at.value // 1_000_000, count, total) for at, count, total in wanted.itertuples() if count
    ]


def test_weeks_begin_on_monday_and_months_on_the_first(web: TestClient, world: History) -> None:
    fill(world, "calendar", [(at_ms, 1.0) for at_ms in every(360, "2025-01-15", "2025-04-15")])
    asked = {"from_": "2025-01-15", "to": "2025-04-15", "timezone": "Europe/Berlin"}
    weeks = ask(web, "/data/calendar", **asked, resolution="1w")
    assert weeks["from"] == "2025-01-13T00:00:00.000+01:00"
    assert {pd.Timestamp(point["time"]).day_name() for point in weeks["series"]["x"]} == {"Monday"}
    months = ask(web, "/data/calendar", **asked, resolution="1mo")
    assert [point["time"][:10] for point in months["series"]["x"]] == [
        "2025-01-01",
        "2025-02-01",
        "2025-03-01",
        "2025-04-01",
    ]
    assert (months["resolution_ms"], months["series"]["x"][2]["width_ms"]) == (None, 743 * HOUR_MS)
    pages = [ask(web, "/data/calendar", **asked, resolution="1mo", limit=2)]
    pages.append(
        ask(web, "/data/calendar", **asked, resolution="1mo", limit=2, cursor=pages[0]["next_cursor"])
    )
    assert [p for page in pages for p in page["series"]["x"]] == months["series"]["x"]
    assert all(one["to_ms"] == other["from_ms"] for one, other in pairwise(pages))


def test_one_peak_of_a_minute_in_a_month_is_in_every_kind_of_answer(web: TestClient, world: History) -> None:
    times = every(1, "2025-06-01", "2025-07-01")
    peak_ms = times[31_111]
    fill(world, "peaked", [(at_ms, 90.0 if at_ms == peak_ms else 21.0) for at_ms in times])
    asked = {"from_": "2025-06-01", "to": "2025-07-01"}
    for resolution in ("auto", "1h", "6h", "1d", "1w"):
        found = ask(web, "/data/peaked", **asked, resolution=resolution, downsample="lttb")["series"]["x"]
        assert {point["value"] for point in found} == {21.0, 90.0}, resolution
        (shown,) = (point for point in found if point["value"] == 90.0)
        assert 0 <= peak_ms - shown["time_ms"] < 7 * DAY_MS
    assert max(one["max"] for one in ask(web, "/data/peaked", **asked)["series"]["x"]) == 90.0


def test_a_sum_no_float_can_hold_is_said_so_and_every_format_stays_valid(
    web: TestClient, world: History
) -> None:
    start_ms = from_iso("2025-05-01")
    fill(world, "huge", [(start_ms + n * MINUTE_MS, 1.5e308) for n in range(4)])
    asked = {"from": "2025-05-01", "to": "2025-05-01T01:00:00Z", "resolution": "1h"}
    (point,) = (found := ask(web, "/data/huge", **asked))["series"]["x"]
    assert (point["sum"], point["overflow"], point["max"], found["overflows"]) == (None, True, 1.5e308, 1)
    # Of a sum that is not known there is no mean; of its minutes there are.
    assert point["avg"] is None
    single = ask(web, "/data/huge", **{**asked, "resolution": "1m"})
    assert ({one["avg"] for one in single["series"]["x"]}, single["overflows"]) == ({1.5e308}, 0)
    text = web.get("/data/huge", params=asked).text
    assert "Infinity" not in text
    assert "NaN" not in text
    (csv, arrow, parquet) = (
        web.get("/data/huge", params=asked | {"format": form}).content for form in ("csv", "arrow", "parquet")
    )
    assert b"inf" not in csv
    rows = [
        pd.read_csv(io.BytesIO(csv)),
        pa.ipc.open_stream(arrow).read_all().to_pandas(),
        pq.read_table(io.BytesIO(parquet)).to_pandas(),
    ]
    assert [(frame["overflow"][0], pd.isna(frame["sum"][0])) for frame in rows] == [(True, True)] * 3


def test_what_a_counter_grew_counts_over_resets_and_is_the_sum_of_its_parts(
    web: TestClient, world: History
) -> None:
    register(world, "energy", {"x": {"unit": "kWh", "kind": "counter"}})
    start_ms = from_iso("2025-04-01")
    # Each minute three readings, 20 s apart; twice an hour the meter begins anew within a minute.
    values = [float(n % 83) * 2 for n in range(3 * 60 * 6)]
    fill(world, "energy", [(start_ms + n * 20_000, value) for n, value in enumerate(values)])
    grown = [b - a if b >= a else b for a, b in pairwise(values)]
    asked = {"from_": "2025-04-01", "to": "2025-04-01T06:00:00Z"}
    for resolution, per in (("1m", 3), ("10m", 30), ("1h", 180)):
        found = ask(web, "/data/energy", **asked, resolution=resolution, downsample="increase")
        wanted = [sum(grown[max(0, n - 1) : n + per - 1]) for n in range(0, len(values), per)]
        assert [point["increase"] for point in found["series"]["x"]] == wanted
        assert found["sampled_from_ms"] == MINUTE_MS
        assert not any(point.get("estimated") for point in found["series"]["x"])
    part = ask(
        web, "/data/energy", from_="2025-04-01T02:00:00Z", to="2025-04-01T03:00:00Z", resolution="1h",
        downsample="rate",
    )  # fmt: skip
    assert part["series"]["x"][0]["rate"] == pytest.approx(sum(grown[359:539]) / 3600, rel=0.02)
    assert problem(web, "/data/pump-1", resolution="1h", downsample="rate")[0] == 422


def test_what_was_sent_just_now_is_shown_before_its_pane_closes_and_marked_as_open(
    web: TestClient, world: History
) -> None:
    sent_ms = NOW_MS - 1_500
    world.writer.latest("fresh", sent_ms, {"temperature_c": 21.5})
    found = ask(web, "/data/fresh", metrics="temperature_c")
    (point,) = found["series"]["temperature_c"]
    assert (point["count"], point["last"], point["open"]) == (1, 21.5, True)
    assert sum(stretch["found"] for stretch in found["stretches"]) == 1
    (raw,) = ask(web, "/data/fresh", resolution="raw")["series"]["temperature_c"]
    assert (raw["time_ms"], raw["value"], raw["open"]) == (sent_ms, 21.5, True)
    closed = ask(web, "/data/fresh", to=sent_ms - HOUR_MS, from_=sent_ms - 2 * HOUR_MS)
    assert closed["series"]["temperature_c"] == []


def test_days_are_those_of_the_site_whose_devices_are_asked_and_of_utc_where_they_are_in_several(
    web: TestClient, world: History
) -> None:
    with connect(world.config) as connection:
        for device, zone in (("here", "Europe/Berlin"), ("beside", "Europe/Berlin"), ("far", "Asia/Kolkata")):
            connection.execute(
                "INSERT INTO site (tenant, site, timezone) VALUES ('demo', %s, %s) ON CONFLICT DO NOTHING",
                (f"in-{zone[:4]}", zone),
            )
            connection.execute(
                "INSERT INTO device (tenant, device_id, site) VALUES ('demo', %s, %s)",
                (device, f"in-{zone[:4]}"),
            )
    for device in ("here", "beside", "far"):
        fill(world, device, [(at_ms, 1.0) for at_ms in every(30, "2025-07-01", "2025-07-05")])
    asked = {"from_": "2025-07-02", "to": "2025-07-03", "resolution": "1d", "metrics": "x"}
    shared = ask(web, "/data", devices="here,beside", **asked)
    assert (shared["timezone"], shared["from"]) == ("Europe/Berlin", "2025-07-02T00:00:00.000+02:00")
    assert [one["series"]["x"][0]["count"] for one in shared["devices"]] == [48, 48]
    assert ask(web, "/data/far", **{**asked, "resolution": "1h"})["from"] == "2025-07-02T00:00:00.000+05:30"
    apart = ask(web, "/data", devices="here,far", **asked)
    assert (apart["timezone"], apart["from"]) == ("UTC", "2025-07-02T00:00:00.000Z")
    asked_for = ask(web, "/data", devices="here,far", timezone="Asia/Tokyo", **asked)
    assert (asked_for["timezone"], asked_for["from"]) == ("Asia/Tokyo", "2025-07-02T00:00:00.000+09:00")
