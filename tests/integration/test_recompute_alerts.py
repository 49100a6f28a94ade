"""Alerts judged anew: what nobody was told of is raised in hindsight, once, and nobody is notified."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.corrections.alert_sources import alert_sources
from jobs.corrections.memory import Memory
from jobs.recompute.alerts import AlertPlan, alert_differences, publish_alerts, staged_alerts
from jobs.recompute.asked import Asked
from jobs.recompute.windows import WindowSources
from tests.integration.alert_services import START_MS
from tests.integration.corrected_lake import TENANT
from tests.integration.late_plant import DAY_MS, FINAL_MS, LatePlant, read

pytestmark = [pytest.mark.integration, pytest.mark.lakehouse]


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Memory]:
    found = Memory(tmp_path / "recompute.duckdb")
    yield found
    found.close()


def plan(plant: LatePlant, device: str) -> AlertPlan:
    table = plant.lake.lake.load_table
    sources = WindowSources(table(("iot", "readings")), table(("iot", "rollups_1m")))
    asked = Asked(TENANT, (device,), START_MS, START_MS + DAY_MS)
    return AlertPlan(sources, table(("iot", "alert_events")), alert_sources(plant.config), asked, FINAL_MS)


def recompute(plant: LatePlant, memory: Memory, device: str) -> tuple[int, int, int]:
    """Judge anew and publish; return how many alerts are new, told further, not found."""
    wanted = plan(plant, device)
    found = alert_differences(memory, wanted)
    with staged_alerts(wanted, found.changes, f"recompute-{device}") as branch:
        assert publish_alerts(memory, wanted, branch, found.changes)
    differs = found.differs
    return (
        sum(one.added for one in differs),
        sum(one.changed for one in differs),
        sum(one.gone for one in differs),
    )


def test_what_nobody_was_told_of_is_raised_once_and_nobody_is_notified(
    plant: LatePlant, memory: Memory
) -> None:
    # In no order, one twice, one late: what a device sent that no rule was there for.
    plant.store(
        [
            *(read("a", 0, 80), read("a", 30, 80), read("a", 20, 95), read("a", 40, 99, "late")),
            *(read("a", 50, 70), read("a", 20, 95, "duplicate")),
        ]
    )
    plant.put("anew", scope={"devices": ["a"]})
    assert recompute(plant, memory, "a") == (2, 0, 0)
    assert plant.alerts("a") == [(20, 30, "cleared", True), (40, 50, "cleared", True)]
    assert [one[0] for one in plant.events("a")] == ["raised", "cleared", "raised", "cleared"]
    assert plant.messages("a") == 0
    before = plant.told()
    assert recompute(plant, memory, "a") == (0, 0, 0)
    assert (plant.told(), len(plant.events("a"))) == (before, 4)


def test_what_was_told_live_is_not_told_again_and_what_is_not_found_is_shown(
    plant: LatePlant, memory: Memory
) -> None:
    plant.store([read("b", 0, 80), read("b", 20, 95), read("b", 30, 80)])
    plant.put("live", scope={"devices": ["b"]})
    plant.tell_live("live", "b", [(20, 30), (300, 310)])
    before = plant.told()
    assert recompute(plant, memory, "b") == (0, 0, 1)
    assert (plant.told(), len(plant.events("b"))) == (before, 4)


def test_an_alert_that_lasts_beyond_the_span_is_followed_to_its_end(plant: LatePlant, memory: Memory) -> None:
    end_s = 3 * DAY_MS / 1000
    plant.store([read("c", 0, 80), read("c", 20, 95), read("c", end_s, 80)])
    plant.put("lasts", scope={"devices": ["c"]})
    assert recompute(plant, memory, "c") == (1, 0, 0)
    assert plant.alerts("c") == [(20, end_s, "cleared", True)]


def test_what_others_told_meanwhile_is_not_published(plant: LatePlant, memory: Memory) -> None:
    plant.store([read("d", 0, 80), read("d", 20, 95), read("d", 30, 80)])
    plant.put("raced", scope={"devices": ["d"]})
    wanted = plan(plant, "d")
    found = alert_differences(memory, wanted)
    with staged_alerts(wanted, found.changes, "recompute-d") as branch:
        plant.tell_live("raced", "d", [(20, 30)])
        before = plant.told()
        assert not publish_alerts(memory, wanted, branch, found.changes)
    assert (plant.told(), len(plant.events("d"))) == (before, 2)
