"""Late readings raise retroactive alerts that nobody is paged for: on real PostgreSQL, Kafka and Iceberg."""

import random
from collections.abc import Sequence
from pathlib import Path

import pytest
from confluent_kafka import KafkaException

from catalog.registry_entries import DeviceSettings
from catalog.registry_store import Registry
from jobs.corrections.alert_sources import alert_sources
from millrace.settings import Settings
from tests.integration.alert_services import START_MS
from tests.integration.corrected_lake import TENANT, Reading
from tests.integration.late_plant import HOT, LatePlant, read, since
from tests.oracle.alerts import expected_alerts
from udfs.rules.alerts import AlertChange

pytestmark = [pytest.mark.integration, pytest.mark.alerts]


@pytest.fixture
def device(request: pytest.FixtureRequest) -> str:
    return request.node.name.replace("_", "-")[:60]  # type: ignore[no-any-return]


def scoped(device: str) -> dict[str, list[str]]:
    return {"devices": [device]}


def crossing(device: str) -> list[Reading]:
    """Return readings of which only the late one is beyond the limit."""
    return [read(device, 0, 80), read(device, 10, 80), read(device, 30, 80), read(device, 20, 95, "late")]


def test_crossing_in_scope_raises_an_alert_and_pages_nobody(plant: LatePlant, device: str) -> None:
    Registry(plant.connection, TENANT).put_device(device, DeviceSettings(site="hall", tags=("hot-spot",)))
    plant.put("crossing", scope={"tags": ["hot-spot"]})
    plant.store([*crossing(device), *crossing("not-in-scope")])
    report = plant.correct()
    assert (report.late_readings, report.alerts_raised, report.pending_alert_hours) == (2, 1, 0)
    assert plant.alerts(device) == [(20, 30, "cleared", True)]
    assert plant.events(device) == [("raised", 20, True), ("cleared", 30, True)]
    assert plant.messages(device) == 0
    assert plant.alerts("not-in-scope") == []


@pytest.mark.parametrize("forget", [False, True])
def test_a_second_pass_tells_nothing(plant: LatePlant, forget: bool) -> None:
    device = f"twice-{forget}"
    plant.put(device.lower(), scope=scoped(device))
    plant.store(crossing(device))
    plant.correct()
    before = (plant.alerts(device), plant.events(device), plant.told())
    plant.lake.restart_corrector(forget)
    plant.correct()
    assert (plant.alerts(device), plant.events(device), plant.told()) == before
    assert len(before[1]) == 2


def test_late_readings_that_change_nothing_raise_nothing(plant: LatePlant, device: str) -> None:
    # The last one came once in time and once more, late: 95 was judged live.
    readings = [
        *(read(device, 0, 80), read(device, 20, 95), read(device, 40, 80)),
        *(read(device, 10, 70, "late"), read(device, 60, 99, "duplicate"), read(device, 20, 95, "late")),
    ]
    plant.put("harmless", scope=scoped(device))
    plant.store(readings)
    before = plant.told()
    report = plant.correct()
    assert (report.late_readings, report.pending_alert_hours) == (2, 0)
    assert report.late_hours_judged > 0
    assert (plant.told(), plant.events(device), plant.alerts(device)) == (before, [], [])


def test_a_pair_out_of_order_counts_in_event_time(plant: LatePlant, device: str) -> None:
    plant.put("lasting", HOT | {"for_s": 20}, scope=scoped(device))
    in_time = [read(device, 10, 95), read(device, 0, 80), read(device, 40, 80)]
    plant.store([*in_time, read(device, 30, 95, "late"), read(device, 20, 95, "late")])
    plant.correct()
    assert plant.alerts(device) == [(10, 40, "cleared", True)]
    assert plant.events(device) == [("raised", 30, True), ("cleared", 40, True)]


def test_a_late_position_counts_too(plant: LatePlant, device: str) -> None:
    area = {"kind": "geofence", "circle": {"lat": 50.0, "lon": 8.0, "radius_m": 1000}}
    plant.put("area", area, scope=scoped(device))
    away, there = (51.0, 8.0), (50.001, 8.0)
    plant.store(
        [
            read(device, 0, 1)._replace(place=away),
            read(device, 20, 1)._replace(place=away),
            read(device, 10, 1, "late")._replace(place=there),
        ]
    )
    plant.correct()
    assert plant.alerts(device) == [(10, 20, "cleared", True)]


def test_of_a_device_that_seldom_sends_it_is_looked_further_back(plant: LatePlant, device: str) -> None:
    rising = {"kind": "rate_of_change", "metric": "t", "per_s": 3600, "above": 10, "over_s": 60}
    plant.put("rising", rising, scope=scoped(device))
    plant.store([read(device, -18_000, 0), read(device, 3_600, 100), read(device, 0, 100, "late")])
    assert plant.correct().late_hours_judged == 1
    assert plant.alerts(device) == [(0, 3_600, "cleared", True)]


def test_what_was_told_live_stays_as_it_was_told(plant: LatePlant, device: str) -> None:
    plant.put("known", scope=scoped(device))
    plant.tell_live("known", device, [(20, None)])
    assert plant.alerts(device) == [(20, None, "open", False)]
    plant.store(crossing(device))
    plant.correct()
    assert plant.alerts(device) == [(20, None, "open", False)]
    assert (plant.events(device), plant.messages(device)) == ([("raised", 20, False)], 1)


def test_what_the_stream_did_not_find_again_after_a_crash_is_withdrawn(plant: LatePlant, device: str) -> None:
    plant.put("crashed", scope=scoped(device))
    plant.tell_live("crashed", device, [(20, None), (60, 90)], crashed=True)
    plant.tell_live("crashed", device, [(200, None)])
    before = [(20, None, "open", False), (60, 90, "cleared", False), (200, None, "open", False)]
    assert plant.alerts(device) == before
    # While the stream may still tell of them again, they stay as they are.
    plant.correct(START_MS + 60_000)
    assert plant.alerts(device) == before
    plant.correct()
    assert [state for _, _, state, _ in plant.alerts(device)] == ["withdrawn", "withdrawn", "open"]
    told = plant.told()
    plant.correct()
    assert plant.told() == told


def test_what_is_told_again_after_a_crash_stays(plant: LatePlant, device: str) -> None:
    plant.put("told-again", scope=scoped(device))
    plant.tell_live("told-again", device, [(20, None)], crashed=True)
    plant.tell_live("told-again", device, [(20, 40)])
    plant.correct()
    assert plant.alerts(device) == [(20, 40, "cleared", False)]
    assert plant.messages(device) == 1


def test_an_alert_that_stays_open_is_followed_until_it_clears(plant: LatePlant, device: str) -> None:
    plant.put("open", HOT | {"clear_below": 80}, scope=scoped(device))
    plant.store([read(device, 0, 75), read(device, 30, 85), read(device, 20, 95, "late")])
    assert plant.correct(START_MS + 60_000).alerts_followed == 1
    assert plant.alerts(device) == [(20, None, "open", True)]
    plant.store([read(device, 200, 85), read(device, 300, 75)])
    plant.lake.restart_corrector()
    assert plant.correct(START_MS + 600_000).alerts_followed == 0
    assert plant.alerts(device) == [(20, 300, "cleared", True)]
    assert plant.events(device) == [("raised", 20, True), ("cleared", 300, True)]
    assert plant.messages(device) == 0


def test_an_alert_whose_rule_is_changed_meanwhile_clears(plant: LatePlant, device: str) -> None:
    plant.put("edited", HOT | {"clear_below": 80}, scope=scoped(device))
    plant.store([read(device, 0, 75), read(device, 30, 85), read(device, 20, 95, "late")])
    plant.correct(START_MS + 60_000)
    plant.put("edited", HOT | {"raise_above": 200}, scope=scoped(device))
    assert plant.correct(START_MS + 600_000).alerts_followed == 0
    assert [state for _, _, state, _ in plant.alerts(device)] == ["cleared"]


def test_more_late_readings_of_an_hour_change_what_was_told_in_hindsight(
    plant: LatePlant, device: str
) -> None:
    plant.put("more", scope=scoped(device))
    plant.store(crossing(device))
    plant.correct()
    plant.store([read(device, 25, 70, "late"), read(device, 28, 99, "late")])
    plant.correct()
    assert plant.alerts(device) == [(20, 25, "cleared", True), (28, 30, "cleared", True)]


def test_nothing_is_judged_before_the_alerts_of_that_time_are_told(plant: LatePlant, device: str) -> None:
    plant.put("early", scope=scoped(device))
    plant.store(crossing(device))
    plant.lake.running.remove("alerts")
    report = plant.correct()
    assert (report.pending_alert_hours, report.alerts_final_ms, plant.alerts(device)) == (1, -1, [])
    plant.lake.running.add("alerts")
    assert plant.correct().pending_alert_hours == 0
    assert len(plant.alerts(device)) == 1


def test_a_pass_cut_off_after_telling_ends_with_the_same_alerts(
    late_services: Settings, tmp_path: Path, device: str
) -> None:
    real = alert_sources(late_services)

    def tell_and_fail(changes: Sequence[AlertChange]) -> None:
        real.tell(changes)
        raise KafkaException("cut off")

    plant = LatePlant(late_services, tmp_path, real._replace(tell=tell_and_fail))
    plant.put("cut-off", scope=scoped(device))
    plant.store(crossing(device))
    with pytest.raises(KafkaException):
        plant.correct()
    assert (plant.alerts(device), plant.events(device)) == ([(20, 30, "cleared", True)], [])
    plant.lake.alerts = real
    plant.lake.restart_corrector()
    plant.correct()
    assert plant.alerts(device) == [(20, 30, "cleared", True)]
    assert (len(plant.events(device)), plant.messages(device)) == (2, 0)
    plant.close()


@pytest.mark.parametrize("parts", [1, 2])
def test_days_of_disorder_raise_what_an_independent_engine_finds(plant: LatePlant, parts: int) -> None:
    rule, devices = f"days-{parts}", [f"{name}-{parts}" for name in ("one", "two", "three")]
    plant.put(rule, HOT | {"clear_below": 85, "for_s": 30}, scope={"devices": devices})
    everything = {device: _days(random.Random(device), device) for device in devices}
    live = {device: _expected(own, "on_time") for device, own in everything.items()}
    for device, found in live.items():
        plant.tell_live(rule, device, found)
    late = [one for own in everything.values() for one in own if one.mark == "late"]
    random.Random(5).shuffle(late)
    plant.store([one for own in everything.values() for one in own if one.mark != "late"])
    for part in range(parts):
        plant.store(late[part::parts])
        plant.correct()
    for device, own in everything.items():
        anyway = {onset_s for onset_s, _ in live[device]}
        wanted = [alert for alert in _expected(own, "on_time", "late") if alert[0] not in anyway]
        found = [alert[:2] for alert in plant.alerts(device) if alert[3]]
        assert len(wanted) > 3
        if parts == 1:
            assert found == wanted
        # What only the first part made true is not taken back.
        assert {onset_s for onset_s, _ in wanted} <= {onset_s for onset_s, _ in found}
        assert plant.messages(device) == len(live[device])


def _expected(readings: Sequence[Reading], *marks: str) -> list[tuple[float, float | None]]:
    points = [(one.event_time_ms, one.metrics["t"]) for one in readings if one.mark in marks]
    found = expected_alerts("threshold", points, raise_above=90.0, clear_below=85.0, for_ms=30_000.0)
    return [(since(onset_ms), since(cleared_ms)) for onset_ms, _, cleared_ms in found]


def _days(random_: random.Random, device: str) -> list[Reading]:
    found, second, value = [], 0.0, 80.0
    while second < 40_000:
        second += random_.choice([10, 10, 20, 45, 130])
        value = min(100, max(60, value + random_.gauss(0, 9)))
        mark = random_.choices(["on_time", "late", "duplicate"], [65, 30, 5])[0]
        found.append(read(device, second, round(value, 1), mark))
    return found
