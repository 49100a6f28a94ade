"""Alerts explain themselves from a real PostgreSQL and a real Iceberg table, as the API's users see it."""

import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import httpx
import pyarrow as pa
import pytest
from typer.testing import CliRunner

from api.commands import app as commands
from catalog import reading_window
from catalog.alert_desk import AlertDesk
from catalog.lake import load_lake
from catalog.migrations import connect
from catalog.rule_store import Change
from catalog.tables import apply_tables
from millrace.settings import Settings
from tests.integration.alert_services import START_MS, alert_id, at, running
from tests.integration.backtest_world import Row
from tests.integration.explained_scene import BEFORE, DISORDER, DUPLICATE, HOUR_S, Scene, from_onset, usual

pytestmark = [pytest.mark.integration, pytest.mark.alerts]


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    with running(tmp_path_factory.mktemp("explanations"), "postgres") as config:
        with closing(load_lake(config)) as lake:
            apply_tables(lake)
        yield config


@pytest.fixture
def scene(services: Settings) -> Scene:
    return Scene(services)


def test_an_alert_comes_with_the_readings_around_its_onset_each_once_in_order(scene: Scene) -> None:
    scene.put()
    scene.store([*DISORDER, *DUPLICATE, *usual("pump-1"), *usual("pump-2")])
    found = scene.explain(scene.raise_alert())
    read = found["readings"]
    seconds = [(one["time_ms"] - START_MS) / 1000 for one in read["readings"]]
    assert seconds == [*BEFORE, *range(0, 600, 30)]
    assert [s for s, one in zip(seconds, read["readings"], strict=True) if one["late"]] == [90]
    assert (read["tier"], read["left_out"]) == ("history", 0)
    assert found["what"] == "temperature_c is 95, above the limit of 90, for at least 1 min"
    assert found["definition"]["when"]["for_s"] == 60
    assert found["alert"]["alert_id"] == alert_id(f"{scene.tenant}/pump-1")


def test_metrics_depart_as_another_engine_says(scene: Scene) -> None:
    scene.put()
    scene.store([*DISORDER, *DUPLICATE, *usual("pump-1")])
    found = scene.explain(scene.raise_alert())["departures"]
    expected = _departures_by_duckdb(scene, "pump-1")
    assert {one["metric"]: (one["value"], one["usual"], one["z"]) for one in found["metrics"]} == expected
    assert [one["metric"] for one in found["metrics"]] == ["temperature_c", "vibration_mm_s", "valve"]
    assert [one["remarkable"] for one in found["metrics"]] == [True, False, False]
    assert (found["before_s"], found["metrics"][0]["samples"]) == (HOUR_S, len(BEFORE))


def _departures_by_duckdb(scene: Scene, device: str) -> dict[str, tuple[float, float, float]]:
    stored = _stored(scene)
    with duckdb.connect() as connection:
        connection.register("stored", stored)
        rows = connection.execute(
            """
            WITH point AS (
              SELECT unnest(map_keys(metrics)) AS metric, unnest(map_values(metrics)) AS value,
                epoch_ms(event_time) - $start AS since_ms
              FROM stored WHERE tenant = $tenant AND device_id = $device
                AND mark NOT IN ('duplicate', 'replaced')
            )
            SELECT metric,
              median(value) FILTER (since_ms BETWEEN 0 AND 299999),
              median(value) FILTER (since_ms BETWEEN -3600000 AND -1),
              mad(value) FILTER (since_ms BETWEEN -3600000 AND -1)
            FROM point GROUP BY metric
            """,
            {"start": START_MS, "tenant": scene.tenant, "device": device},
        ).fetchall()
    return {
        metric: (value, median, round(0.6745 * (value - median) / mad if mad else 0.0, 3))
        for metric, value, median, mad in rows
    }


def _stored(scene: Scene) -> pa.Table:
    with closing(load_lake(scene.config)) as lake:
        return lake.load_table(("iot", "readings")).scan().to_arrow()


def test_neighbours_are_those_of_the_site_and_the_ones_that_depart_too_are_named(scene: Scene) -> None:
    scene.put()
    for device, site in (
        ("pump-1", "hall-4"),
        ("pump-2", "hall-4"),
        ("pump-3", "hall-4"),
        ("pump-4", "hall-4"),
    ):
        scene.register(device, site=site)
    scene.register("pump-9", site="hall-9")
    rows = [row for device in ("pump-1", "pump-2", "pump-3", "pump-9") for row in usual(device)]
    hot = [row for device in ("pump-2", "pump-9") for row in from_onset(device, 60)]
    scene.store([*rows, *DISORDER, *hot, *from_onset("pump-3", 20)])
    found = scene.explain(scene.raise_alert())
    near = found["neighbours"]
    assert [one["device_id"] for one in near["devices"]] == ["pump-2", "pump-3", "pump-4"]
    assert [one["departure"] is None for one in near["devices"]] == [False, False, True]
    assert (near["metric"], near["departing"], near["left_out"]) == ("temperature_c", ["pump-2"], 0)
    assert "Of 2 other devices of hall-4 1 departs in temperature_c too: pump-2." in found["summary"]


def test_earlier_alerts_are_told_with_how_they_ended_those_of_the_device_first(scene: Scene) -> None:
    scene.put()
    scene.put("too-loud")
    now = scene.raise_alert()
    for second in (-9_000, -6_000):
        scene.raise_alert(onset_s=second, after_s=60)
    scene.raise_alert(onset_s=-9_000, kind="cleared", after_s=200)
    by_hand = scene.raise_alert(onset_s=-7_000)
    with connect(scene.config) as connection:
        desk = AlertDesk(connection, scene.tenant)
        desk.acknowledge(by_hand, Change("bob", at(100) + timedelta(seconds=30)))
        desk.comment(by_hand, "first", Change("bob", at(150)))
        desk.comment(by_hand, "bearing", Change("bob", at(160)))
        desk.clear(by_hand, Change("ann", at(100) + timedelta(seconds=90)))
    scene.raise_alert("pump-2", onset_s=-100)
    scene.raise_alert("pump-3", onset_s=-100, site="hall-9")
    scene.raise_alert(onset_s=500)
    scene.raise_alert(onset_s=-5_000, rule="too-loud")
    scene.raise_alert(onset_s=-4_000)
    scene.raise_alert(onset_s=-4_000, kind="withdrawn")
    found = scene.explain(now)["similar"]
    assert [(one["device_id"], (one["onset_ms"] - START_MS) / 1000, one["ended"]) for one in found] == [
        ("pump-1", -6_000, "still lasts"),
        ("pump-1", -7_000, "cleared by ann after 1 min 30 s"),
        ("pump-1", -9_000, "cleared by itself after 3 min 20 s"),
        ("pump-2", -100, "still lasts"),
    ]
    assert (found[1]["acknowledged_by"], found[1]["acknowledged_after_s"]) == ("bob", 30)
    assert [one["last_comment"] for one in found] == [None, "bearing", None, None]


def test_the_data_can_be_read_as_it_was_when_the_alert_was_raised(scene: Scene) -> None:
    scene.put()
    scene.store(usual("pump-1"))
    then = datetime.now(UTC)
    time.sleep(0.01)
    scene.store(DISORDER)
    found = scene.explain(scene.raise_alert(now=then))
    commit, now = found["data"]["commit"], found["readings"]["commit"]
    assert commit["committed_ms"] <= then.timestamp() * 1000 < now["committed_ms"]
    assert len(found["readings"]["readings"]) == len(BEFORE) + 20
    reply = scene.client.get(found["data"]["explanation_path"])
    assert reply.status_code == 200, reply.text
    past = reply.json()
    assert past["readings"]["commit"] == commit
    assert len(past["readings"]["readings"]) == len(BEFORE)
    assert "The lake has no reading of the device in the minutes from the onset on." in past["notices"]
    assert found["data"]["series_path"].startswith("/data/pump-1?tenant=")


def test_a_device_that_speaks_every_hour_is_compared_with_its_day(scene: Scene) -> None:
    scene.put()
    rows = [Row("pump-1", -HOUR_S * hour, {"temperature_c": 20 + hour % 3}) for hour in range(1, 30)]
    scene.store([*rows, Row("pump-1", 0, {"temperature_c": 95})])
    found = scene.explain(scene.raise_alert())
    [metric] = found["departures"]["metrics"]
    assert (found["departures"]["before_s"], metric["samples"], metric["remarkable"]) == (86_400, 24, True)
    assert len(found["readings"]["readings"]) == 25


def test_an_answer_is_bounded_and_says_what_it_leaves_out(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.put()
    for number in range(25):
        scene.register(f"pump-{number}", site="hall-4")
    for second in range(-12, 0):
        scene.raise_alert(onset_s=second)
    scene.store([Row("pump-1", second, {"temperature_c": 20 + second % 3}) for second in range(-300, 300)])
    found = scene.explain(scene.raise_alert())
    shown = [(one["time_ms"] - START_MS) / 1000 for one in found["readings"]["readings"]]
    assert (shown, found["readings"]["left_out"]) == (list(range(-100, 100)), 400)
    assert (len(found["neighbours"]["devices"]), found["neighbours"]["left_out"]) == (20, 4)
    assert len(found["similar"]) == 10
    scene.store([Row("pump-1", -3_000, {"temperature_c": 20})])
    monkeypatch.setattr(reading_window, "MOST_FILES", 2)
    cut = scene.explain(scene.raise_alert())
    assert any("Only the files nearest" in notice for notice in cut["notices"])
    assert cut["readings"]["readings"] == found["readings"]["readings"]


def test_what_is_not_there_is_said_and_no_error(scene: Scene) -> None:
    scene.put()
    lonely = scene.raise_alert(site="")
    found = scene.explain(lonely)
    assert (found["departures"], found["neighbours"], found["similar"]) == (None, None, [])
    assert "The device has no site, so there are no neighbours to compare it with." in found["notices"]
    with closing(load_lake(scene.config)) as lake:
        lake.drop_table(("iot", "readings"))
        gone = scene.explain(lonely)
        apply_tables(lake)
        empty = scene.explain(lonely)
    assert (gone["readings"], empty["readings"], gone["data"]["commit"]) == (None, None, None)
    assert any("cannot answer now" in notice for notice in gone["notices"])
    assert "No reading was committed to the lake yet: ask again in a few seconds." in empty["notices"]
    assert gone["what"] == found["what"]
    scene.store([Row("pump-7", 0, {"x": 1})])
    assert "The lake has no reading of the device around the onset." in scene.explain(lonely)["notices"]


@pytest.mark.parametrize(
    ("path", "asked", "status"),
    [
        ("0" * 24, {}, 404),
        ("x", {}, 422),
        (None, {"snapshot": "1"}, 422),
        (None, {"snapshot": "9" * 19}, 422),
        (None, {"snapshot": "-1"}, 422),
    ],
)
def test_a_wrong_request_is_a_problem(scene: Scene, path: str | None, asked: Any, status: int) -> None:
    scene.put()
    scene.store([Row("pump-1", 0, {"x": 1})])
    problem = scene.explain(path or scene.raise_alert(), status, **asked)
    assert problem["type"].startswith("urn:millrace:problem:")


@pytest.fixture
def run(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a runner of commands, which ask the API in this process."""

    def request(method: str, address: str, *, timeout: float, trust_env: bool, **more: Any) -> httpx.Response:
        more["params"] = {"tenant": scene.tenant} | more["params"]
        with scene.client:
            reply: httpx.Response = scene.client.request(method, address[address.index("/", 8) :], **more)
        return reply

    monkeypatch.setattr(httpx, "request", request)
    monkeypatch.setenv("COLUMNS", "160")

    def call(*words: str) -> str:
        result = CliRunner().invoke(commands, words)
        assert result.exit_code == 0, (result.output, result.exception)
        return result.output

    return call


def test_the_command_line_explains_an_alert_on_one_screen(scene: Scene, run: Any) -> None:
    scene.put()
    for device in ("pump-1", "pump-2"):
        scene.register(device, site="hall-4")
    scene.store([*usual("pump-1"), *usual("pump-2"), *DISORDER, *from_onset("pump-2", 60)])
    scene.raise_alert(onset_s=-9_000)
    out = run("alerts", "explain", scene.raise_alert())
    wanted: Sequence[str] = (
        "hall-4/pump-1: too-hot v1, warning, open, since 2026-01-01 00:00:00",
        "temperature_c is 95, above the limit of 90, for at least 1 min.",
        "Of 1 other device of hall-4 1 departs in temperature_c too: pump-2.",
        "Readings around the onset, 12 of 140",
        "> 2026-01-01 00:00:00",
        "still lasts",
    )
    assert [line for line in wanted if line not in " ".join(out.split())] == []
    assert run("alerts", "explain", scene.raise_alert(), "--json").startswith("{")
