"""The life of alerts on a real PostgreSQL: what the stream says, what time brings, what people do."""

from collections.abc import Iterator

import pytest

from catalog.alert_transitions import Kind
from catalog.rule_store import Change
from millrace.settings import Settings
from tests.integration.alert_plant import Plant
from tests.integration.alert_services import at, rows, running

pytestmark = [pytest.mark.integration, pytest.mark.alerts]


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    with running(tmp_path_factory.mktemp("alerts"), "postgres") as config:
        yield config


@pytest.fixture
def plant(registry: Settings) -> Iterator[Plant]:
    found = Plant(registry)
    yield found
    found.connection.close()


# What the stream says in its order (kind, event time), and where the alert is then.
STORIES: dict[str, tuple[list[tuple[Kind, float]], str, list[str]]] = {
    "raised": ([("raised", 60)], "open", ["raised"]),
    "a duplicate": ([("raised", 60), ("raised", 60)], "open", ["raised"]),
    "cleared": ([("raised", 60), ("cleared", 90)], "cleared", ["raised", "cleared"]),
    "cleared twice": (
        [("raised", 60), ("cleared", 90), ("cleared", 90)],
        "cleared",
        ["raised", "cleared"],
    ),
    "out of order: it never was": ([("raised", 60), ("withdrawn", 70)], "withdrawn", ["raised", "withdrawn"]),
    "out of order: it was after all": (
        [("raised", 60), ("withdrawn", 70), ("raised", 60)],
        "open",
        ["raised", "withdrawn"],
    ),
    "late: it did not end": (
        [("raised", 60), ("cleared", 90), ("updated", 95)],
        "open",
        ["raised", "cleared", "updated"],
    ),
    "a replay": (
        [
            ("raised", 60),
            ("escalated", 80),
            ("cleared", 90),
            ("raised", 60),
            ("escalated", 80),
            ("cleared", 90),
        ],
        "cleared",
        ["raised", "escalated", "cleared"],
    ),
    "the beginning was missed": ([("cleared", 90)], "cleared", ["cleared"]),
}


@pytest.mark.parametrize("name", STORIES)
def test_an_alert_is_what_the_stream_said_last_and_each_change_is_noted_once(plant: Plant, name: str) -> None:
    story, state, history = STORIES[name]
    plant.take(*(plant.says(kind, at_s=at_s) for kind, at_s in story))
    assert plant.state() == state
    assert [event["kind"] for event in plant.desk.story(plant.id()).history] == history
    silent = name in {"out of order: it never was", "the beginning was missed"}
    assert [reason for reason, _, _ in plant.told()] == ([] if silent else ["raised"])


@pytest.mark.parametrize("name", STORIES)
def test_the_same_said_record_by_record_and_all_over_again_ends_the_same(plant: Plant, name: str) -> None:
    story, state, _ = STORIES[name]
    for second, (kind, at_s) in enumerate(story * 2):
        plant.take(plant.says(kind, at_s=at_s), second=100 + second)
    assert plant.state() == state
    reasons = [reason for reason, _, _ in plant.told()]
    assert len(reasons) == len(set(reasons))


def test_an_alert_keeps_the_figures_of_its_onset_and_the_version_that_raised_it(plant: Plant) -> None:
    plant.take(plant.says("raised", version=1), plant.says("cleared", at_s=600, version=2))
    alert = plant.desk.alert(plant.id())
    assert (alert["evidence"], alert["rule_version"]) == ({"temperature_c": 91, "at": "raised"}, 1)
    assert (alert["cleared_ms"], alert["closed_by"]) == (plant.says("cleared", at_s=600).at_ms, "stream")


def test_what_a_person_cleared_stays_cleared_until_it_begins_anew(plant: Plant) -> None:
    plant.take(plant.says("raised"))
    plant.send()
    alert = plant.desk.clear(plant.id(), Change("ann", at(200)))
    assert (alert["state"], alert["closed_by"], alert["closed_cause"]) == ("cleared", "ann", "person")
    assert alert["cleared_ms"] is None
    again = [plant.says("raised"), plant.says("escalated", at_s=200, severity="critical")]
    plant.take(*again, second=300)
    assert plant.state() == "cleared"
    assert plant.told() == [("raised", "ops", 1), ("cleared", "ops", 1)]
    plant.take(plant.says("raised", onset_s=500, at_s=560), second=600)
    assert plant.desk.alert(plant.id(onset_s=500))["state"] == "open"


@pytest.mark.parametrize("state", ["disabled", "deleted"])
def test_alerts_of_a_rule_that_is_out_of_force_end(plant: Plant, state: str) -> None:
    plant.take(plant.says("raised", "a"), plant.says("raised", "b"))
    plant.send()
    plant.desk.acknowledge(plant.id("a"), Change("ann", at(155)))
    if state == "deleted":
        plant.rules.delete("too-hot", None, Change("bob", at(160)))
    else:
        plant.put(state="disabled", second=160)
    assert plant.wait(161) == (0, 2)
    alert = plant.desk.alert(plant.id("a"))
    assert (alert["state"], alert["closed_by"], alert["closed_cause"]) == (
        "cleared",
        "bob" if state == "deleted" else "test",
        "rule",
    )
    assert plant.told() == [("raised", "ops", 2), ("cleared", "ops", 2)]
    plant.take(plant.says("raised", "c"), second=162)
    assert plant.wait(163) == (0, 1)


def test_everything_done_to_an_alert_is_in_its_history_and_in_the_audit(plant: Plant) -> None:
    plant.take(plant.says("raised"))
    ann, bob = Change("ann", at(200)), Change("bob", at(300))
    plant.desk.acknowledge(plant.id(), ann)
    plant.desk.assign(plant.id(), "carl", ann)
    plant.desk.snooze(plant.id(), at(999), ann)
    plant.desk.comment(plant.id(), "bearing", bob)
    plant.desk.clear(plant.id(), bob)
    plant.desk.clear(plant.id(), bob)
    done = [
        ("ann", "acknowledged"),
        ("ann", "assigned"),
        ("ann", "snoozed"),
        ("bob", "commented"),
        ("bob", "cleared"),
    ]
    history = plant.desk.story(plant.id()).history
    assert [(event["actor"], event["kind"]) for event in history] == [("stream", "raised"), *done]
    audit = plant.desk.audit(before=2**62, limit=10, subject=plant.id())
    assert [(entry["actor"], entry["action"]) for entry in reversed(audit)] == done


def test_another_tenants_alerts_are_not_there(plant: Plant, registry: Settings) -> None:
    plant.take(plant.says("raised"))
    other = Plant(registry)
    assert rows(registry, "SELECT 1 FROM alert WHERE tenant = %s", other.tenant) == []
    with pytest.raises(Exception, match="has no alert"):
        other.desk.clear(plant.id(), Change("ann", at(200)))
    other.connection.close()
