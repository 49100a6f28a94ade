"""Backtests and comparisons on a real PostgreSQL and a real Iceberg table, as the API's users see them."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from typer.testing import CliRunner

from api.commands import app as commands
from api.queries import backtests
from catalog.lake import load_lake
from catalog.reading_history import Asked, ReadingHistory
from catalog.tables import apply_tables
from millrace.clock import to_iso
from millrace.settings import Settings
from tests.integration.alert_plant import Plant
from tests.integration.alert_services import START_MS, running
from tests.integration.backtest_world import DISORDER, HOT, LATE, RANGE, Row, World, hot, since

pytestmark = [pytest.mark.integration, pytest.mark.alerts]


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    with running(tmp_path_factory.mktemp("backtests"), "postgres") as config:
        with closing(load_lake(config)) as lake:
            apply_tables(lake)
        yield config


@pytest.fixture
def world(services: Settings) -> World:
    return World(services)


def test_history_is_judged_in_order_of_event_time_and_without_duplicates(world: World) -> None:
    world.store(DISORDER)
    world.store([*LATE, hot("pump-2", 0, 20)])
    world.put()
    found = world.backtest()
    assert found["says"] == "would have fired 1 time on 1 device"
    assert (found["rows_read"], found["devices_judged"], found["truncated"]) == (7, 2, False)
    assert (found["rule"], found["version"], found["kind"]) == ("too-hot", 1, "threshold")
    [one] = found["instances"]
    times = (one["onset_ms"], one["raised_ms"], one["cleared_ms"])
    assert times == tuple(START_MS + 1000 * second for second in (0, 60, 180))
    assert one["evidence"] == {"metric": "temperature_c", "value": 95.0, "limit": 90.0}
    with closing(load_lake(world.config)) as lake:
        snapshot = lake.load_table(("iot", "readings")).current_snapshot()
        assert snapshot is not None
        assert found["snapshot_id"] == str(snapshot.snapshot_id)


def test_a_rule_of_any_state_and_version_is_judged_and_a_draft_instead_of_it(world: World) -> None:
    world.store(DISORDER + LATE)
    world.put(state="disabled")
    changed = {"rule": "too-hot", "when": HOT | {"for_s": 120}, "state": "shadow"}
    world.ask("PUT", "/rules/too-hot", json=changed, headers={"If-Match": '"1"'})
    assert world.fired() == [("pump-1", 0, 120, 180)]
    assert world.fired(version=1) == [("pump-1", 0, 60, 180)]
    draft = {"rule": "too-hot", "when": HOT | {"for_s": 0, "raise_above": 94}}
    assert world.fired(draft=draft) == [("pump-1", 0, 0, 180)]
    assert world.backtest(draft=draft)["version"] is None
    world.ask("DELETE", "/rules/too-hot", 204, headers={"If-Match": "*"})
    assert world.backtest(status=404)["where"] == "rule"
    assert world.fired(version=2) == [("pump-1", 0, 120, 180)]
    assert world.backtest("never-stored", draft=draft | {"rule": "never-stored"})["fired"] == 1


def test_what_is_open_at_the_start_of_the_range_is_not_raised_in_it(world: World) -> None:
    world.store([hot("pump-1", second, 95) for second in range(0, 600, 30)])
    world.put()
    assert world.fired() == [("pump-1", 0, 60, None)]
    assert world.fired(**{"from": to_iso(START_MS + 300_000)}) == []
    assert world.fired(to=to_iso(START_MS + 60_000)) == []


def test_scope_is_by_what_the_registry_says_now_and_overrides_count(world: World) -> None:
    devices = ("pump-1", "pump-2", "fan-1", "new")
    world.store([hot(device, second, 95) for device in devices for second in (0, 60)])
    for device, site in (("pump-1", "north"), ("pump-2", "south"), ("fan-1", "north")):
        world.register(device, site=site)

    def firing(**fields: Any) -> list[str]:
        draft = {"rule": "too-hot", "when": HOT} | fields
        found = world.backtest(draft=draft)
        assert found["rows_read"] == 2 * found["devices_judged"]
        return [one["device_id"] for one in found["instances"]]

    assert firing() == ["fan-1", "new", "pump-1", "pump-2"]
    assert firing(scope={"sites": ["north"]}) == ["fan-1", "pump-1"]
    assert firing(scope={"devices": ["new", "pump-2"]}) == ["new", "pump-2"]
    assert firing(scope={"devices": ["new"], "sites": ["north"]}) == []
    assert firing(scope={"profiles": ["default"]}) == ["fan-1", "new", "pump-1", "pump-2"]
    assert firing(scope={"sites": ["", "south"]}) == ["new", "pump-2"]
    world.register("new", tags=["hot"])
    assert firing(scope={"tags": ["hot"]}) == ["new"]
    world.register("fan-1", site="south")
    assert firing(scope={"sites": ["north"]}) == ["pump-1"]
    assert firing(overrides={"pump-1": {"raise_above": 99}}) == ["fan-1", "new", "pump-2"]


def test_silence_and_places_and_other_tenants_rows(world: World, services: Settings) -> None:
    other = World(services)
    other.store([hot("pump-1", 600, 95)])
    inside, outside = (50.0, 8.0), (51.0, 8.0)
    world.store([Row("pump-1", 0, {"rpm": 1}, "on_time", inside), Row("pump-1", 300, {}, "on_time", outside)])
    absent = {"rule": "x", "when": {"kind": "absence", "after_s": 400}}
    assert world.fired(name="x", draft=absent) == [("pump-1", 700, 700, None)]
    left = {"kind": "geofence", "on": "leave", "circle": {"lat": 50, "lon": 8, "radius_m": 1000}}
    assert world.fired(name="x", draft={"rule": "x", "when": left}) == [("pump-1", 300, 300, None)]
    no_rpm = {"kind": "absence", "metric": "rpm", "after_s": 200}
    assert world.fired(name="x", draft={"rule": "x", "when": no_rpm}) == [("pump-1", 200, 200, None)]
    # Of one device every reading counts, of the others those with the metric.
    mixed = {"rule": "x", "when": no_rpm, "overrides": {"pump-1": {"metric": None}}}
    assert world.fired(name="x", draft=mixed) == [("pump-1", 200, 200, 300), ("pump-1", 500, 500, None)]


def test_more_instances_than_the_limit_are_counted_and_said_to_be_cut(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.store([hot("pump-1", second, 95 if second % 20 else 20) for second in range(0, 200, 10)])
    monkeypatch.setattr(backtests, "MOST_INSTANCES", 3)
    found = world.backtest(draft={"rule": "too-hot", "when": HOT | {"for_s": 0}})
    assert (found["fired"], found["truncated"], found["most_instances"]) == (10, True, 3)
    assert [since(one["onset_ms"]) for one in found["instances"]] == [10, 30, 50]


def test_wrong_asks_are_told_with_what_is_accepted(world: World) -> None:
    world.put()
    assert world.backtest(status=422, **{"from": "yesterday"})["where"] == "from"
    backwards = {"from": RANGE["to"], "to": RANGE["from"]}
    assert "is not before" in world.backtest(status=422, **backwards)["detail"]
    assert world.backtest(status=404, version=9)["where"] == "version"
    assert world.backtest("nothing", 404)["where"] == "rule"
    assert world.backtest(status=422, draft={"rule": "other", "when": HOT})["where"] == "rule"
    assert world.backtest(status=422, draft={"rule": "too-hot", "when": {"kind": "hot"}})["errors"]
    assert world.backtest(status=422, draft={"rule": "too-hot", "when": HOT}, version=1)["where"] == "version"


def test_a_third_backtest_at_once_is_refused_and_room_is_given_back(world: World) -> None:
    world.put()
    with backtests._turn(), backtests._turn():
        assert world.backtest(status=429)["type"] == "urn:millrace:problem:busy"
    assert world.backtest()["fired"] == 0


def test_history_comes_in_slices_of_time_that_hold_each_row_once(world: World) -> None:
    for begin in range(0, 100, 20):
        world.store([hot("pump-1", second, second) for second in range(begin, begin + 25)])
    with closing(load_lake(world.config)) as lake:
        table = lake.load_table(("iot", "readings"))
        asked = Asked(world.tenant, START_MS, START_MS + 110_000, ("temperature_c",))
        history = ReadingHistory(table, asked, most_rows=30)
        slices = [columns.times_ms for columns in history.devices()]
    # Files overlap by five seconds: those are measured twice, and both are in one slice.
    seconds = [since(time_ms) for times in slices for time_ms in times]
    assert len(slices) > 2
    assert seconds == sorted(s for begin in range(0, 100, 20) for s in range(begin, begin + 25))
    assert history.rows_read == len(seconds) == 125


def test_two_rules_are_compared_by_their_alerts(services: Settings) -> None:
    plant = Plant(services)
    plant.put("too-hot-new", "shadow")
    shadow = {"rule": "too-hot-new", "shadow": True}
    # The first on pump-4 was over before the shadow began to watch.
    for device, onset_s, end_s in (("pump-4", -500, -300), ("pump-1", 0, 600), ("pump-2", 100, 200)):
        plant.take(plant.says("raised", device, onset_s + 60, onset_s=onset_s))
        plant.take(plant.says("cleared", device, end_s, onset_s=onset_s))
    # Of the shadow: one at the time of the first, one on another device that lasts, one that never was.
    for device, onset_s in (("pump-1", 30), ("pump-3", 100), ("pump-2", 110)):
        plant.take(plant.says("raised", device, onset_s + 60, onset_s=onset_s, **shadow))
    plant.take(plant.says("withdrawn", "pump-2", 170, onset_s=110, **shadow))
    world = World(services, plant.tenant)
    path, asked = "/rules/too-hot/comparison", RANGE | {"with": "too-hot-new"}
    asked["from"] = to_iso(START_MS - 3_600_000)
    found = world.ask("GET", path, params=asked)
    assert found["both"] == {"occasions": 1, "devices": 1, "first_alerts": 1, "second_alerts": 1}
    assert (found["only_first"]["alerts"], found["only_second"]["alerts"]) == (1, 1)
    [one], [other] = found["only_first"]["instances"], found["only_second"]["instances"]
    assert (one["device_id"], since(one["onset_ms"]), since(one["cleared_ms"])) == ("pump-2", 100, 200)
    assert (other["device_id"], other["shadow"], other["cleared"]) == ("pump-3", True, None)
    assert found["says"] == "both on 1 occasion, only too-hot 1 time, only too-hot-new 1 time"
    # A rule taken out of force ends its alerts, whatever the stream did not say.
    plant.put("too-hot-new", "disabled", second=300)
    plant.wait(300)
    [gone] = world.ask("GET", path, params=asked)["only_second"]["instances"]
    assert since(gone["cleared_ms"]) == 300
    assert world.ask("GET", path, 422, params=asked | {"with": "too-hot"})["where"] == "with"
    assert world.ask("GET", path, 404, params=asked | {"with": "nothing"})["where"] == "rule"


@pytest.fixture
def run(world: World, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a runner of commands, which ask the API in this process."""

    def request(method: str, address: str, *, timeout: float, trust_env: bool, **more: Any) -> httpx.Response:
        more["params"] = {"tenant": world.tenant} | more["params"]
        with world.client:
            reply: httpx.Response = world.client.request(method, address[address.index("/", 8) :], **more)
        return reply

    monkeypatch.setattr(httpx, "request", request)

    def call(*words: str) -> str:
        result = CliRunner().invoke(commands, ["rules", *words])
        assert result.exit_code == 0, (result.output, result.exception)
        return result.output

    return call


def test_the_command_line_says_what_would_have_fired(world: World, run: Any, tmp_path: Path) -> None:
    world.store(DISORDER + LATE)
    world.put()
    times = ["--from", RANGE["from"], "--to", RANGE["to"]]
    said = run("backtest", "too-hot", *times)
    assert "too-hot (v1) would have fired 1 time on 1 device" in said
    assert "rows read 6, devices judged 1," in said
    row = "pump-1 warning 2026-01-01 00:00:00 1 min 3 min value 95, limit 90"
    assert " ".join(said.split()).endswith(row)
    draft = tmp_path / "draft.yaml"
    draft.write_text(yaml.safe_dump({"rule": "too-hot", "when": HOT | {"raise_above": 96}}))
    found = json.loads(run("backtest", "too-hot", *times, "--file", str(draft), "--json"))
    assert (found["version"], found["fired"]) == (None, 0)
    world.put("too-hot-new", state="shadow")
    assert "both on 0 occasions" in run("compare", "too-hot", "--with", "too-hot-new", *times)
