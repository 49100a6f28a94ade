"""Who is told of an alert and how often, on a real PostgreSQL."""

from collections.abc import Iterator
from typing import Any

import pytest

from catalog.channel_store import ChannelEntry, ChannelStore
from catalog.rule_store import Change
from millrace.settings import Settings
from tests.integration.alert_plant import Plant
from tests.integration.alert_services import at, running

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


@pytest.mark.parametrize("quiet", [{"shadow": True}, {"retroactive": True}])
def test_of_shadow_and_retroactive_alerts_nobody_is_told(plant: Plant, quiet: Any) -> None:
    plant.put(escalate={"after_s": 10, "notify": ["boss"]}, second=1)
    plant.take(
        plant.says("raised", version=2, **quiet), plant.says("escalated", severity="critical", **quiet)
    )
    assert plant.wait(1_000) == (0, 0)
    plant.desk.clear(plant.id(), Change("ann", at(2_000)))
    assert (plant.state(), plant.told()) == ("cleared", [])


def test_alerts_of_one_rule_and_site_within_30_s_are_one_message(plant: Plant) -> None:
    for number in range(50):
        plant.take(plant.says("raised", f"pump-{number}"), second=100 + number / 2)
    assert plant.told() == [("raised", "ops", 50)]
    (message,) = plant.messages()
    assert message["next_attempt_at"] == at(130)
    payload = message["payload"]
    assert (payload["site"], payload["severity"], len(payload["alerts"])) == ("hall-4", "warning", 20)
    assert payload["when"]["raise_above"] == 90
    plant.send(130)
    plant.take(plant.says("raised", "pump-50"), second=131)
    assert plant.told() == [("raised", "ops", 50), ("raised", "ops", 1)]


def test_other_sites_and_rules_have_messages_of_their_own_and_no_site_is_no_group(plant: Plant) -> None:
    plant.put("too-loud", second=1)
    plant.take(
        plant.says("raised", "a"),
        plant.says("raised", "b", site="hall-5"),
        plant.says("raised", "c", rule="too-loud"),
        plant.says("raised", "d", site=""),
        plant.says("raised", "e", site=""),
    )
    assert plant.told() == [("raised", "ops", 1)] * 5
    assert [message["next_attempt_at"] for message in plant.messages()] == [at(130)] * 3 + [at(100)] * 2


def test_each_channel_is_told_and_a_replay_tells_nobody_again(plant: Plant) -> None:
    plant.put(notify=["ops", "mail", "ops"], second=1)
    for second in (100, 101, 200, 5_000):
        plant.take(plant.says("raised", version=2), second=second)
        plant.send(second + 60)
    assert sorted(plant.told()) == [("raised", "mail", 1), ("raised", "ops", 1)]


def test_a_rising_severity_is_told_unless_the_first_word_still_waits(plant: Plant) -> None:
    plant.take(plant.says("raised", "a"), plant.says("escalated", "a", 70, severity="critical"))
    assert [m["payload"]["severity"] for m in plant.messages()] == ["critical"]
    plant.send()
    plant.take(plant.says("downgraded", "a", 80), second=160)
    plant.take(plant.says("escalated", "a", 90, severity="critical"), second=170)
    plant.take(
        plant.says("downgraded", "a", 95), plant.says("escalated", "a", 99, severity="critical"), second=999
    )
    assert plant.told() == [("raised", "ops", 1), ("escalated", "ops", 1)]


def test_what_is_over_before_it_was_told_is_one_message_that_says_both(plant: Plant) -> None:
    plant.take(plant.says("raised"), second=100)
    plant.take(plant.says("cleared", at_s=75), second=115)
    (message,) = plant.messages()
    assert (message["reason"], message["payload"]["alerts"][0]["state"]) == ("raised", "cleared")


def test_whoever_was_told_hears_that_it_is_over(plant: Plant) -> None:
    plant.take(plant.says("raised"))
    plant.send()
    plant.take(plant.says("cleared", at_s=300), second=400)
    assert plant.told() == [("raised", "ops", 1), ("cleared", "ops", 1)]


def test_what_never_was_is_taken_out_of_a_message_that_waits(plant: Plant) -> None:
    plant.take(plant.says("raised", "a"), plant.says("raised", "b"), plant.says("withdrawn", "a", 70))
    assert plant.told() == [("raised", "ops", 1)]
    assert plant.messages()[0]["alert_id"] == plant.id("b")
    plant.take(plant.says("withdrawn", "b", 71))
    assert plant.told() == []
    plant.take(plant.says("raised", "a"))
    assert plant.told() == [("raised", "ops", 1)]


def test_what_never_was_but_was_told_is_taken_back(plant: Plant) -> None:
    plant.take(plant.says("raised"))
    plant.send()
    plant.take(plant.says("withdrawn", at_s=70), second=160)
    assert plant.told() == [("raised", "ops", 1), ("cleared", "ops", 1)]
    assert plant.messages()[1]["payload"]["alerts"][0]["state"] == "withdrawn"


def test_an_end_that_was_taken_back_in_time_is_not_told(plant: Plant) -> None:
    plant.take(plant.says("raised"))
    plant.send()
    plant.take(plant.says("cleared", at_s=90), second=160)
    plant.take(plant.says("updated", at_s=95), second=165)
    assert plant.told() == [("raised", "ops", 1)]
    plant.take(plant.says("cleared", at_s=120), second=300)
    assert plant.told() == [("raised", "ops", 1), ("cleared", "ops", 1)]


def escalating(plant: Plant) -> None:
    plant.put(escalate={"after_s": 600, "notify": ["boss", "ops"]}, second=1)
    plant.take(plant.says("raised", version=2), second=100)
    plant.send()


def test_what_nobody_acknowledges_is_escalated_once(plant: Plant) -> None:
    escalating(plant)
    assert plant.wait(699) == (0, 0)
    assert plant.wait(700) == (1, 0)
    assert plant.wait(9_999) == (0, 0)
    assert plant.told() == [("raised", "ops", 1), ("unacknowledged", "boss", 1), ("unacknowledged", "ops", 1)]
    plant.take(plant.says("raised", version=2), second=10_000)
    assert plant.wait(99_999) == (0, 0)


def test_what_is_acknowledged_is_not_escalated_and_the_first_one_counts(plant: Plant) -> None:
    escalating(plant)
    plant.desk.acknowledge(plant.id(), Change("ann", at(200)))
    alert = plant.desk.acknowledge(plant.id(), Change("bob", at(300)))
    assert (alert["state"], alert["acknowledged_by"]) == ("acknowledged", "ann")
    assert plant.wait(9_999) == (0, 0)
    plant.take(plant.says("raised", version=2), second=300)
    assert plant.state() == "acknowledged"


def test_a_snooze_puts_off_escalation_and_higher_severity_but_not_the_end(plant: Plant) -> None:
    escalating(plant)
    plant.desk.snooze(plant.id(), at(3_000), Change("ann", at(200)))
    plant.take(plant.says("escalated", at_s=150, severity="critical", version=2), second=210)
    assert plant.messages()[1]["next_attempt_at"] == at(3_000)
    assert plant.wait(2_999) == (0, 0)
    plant.take(plant.says("cleared", at_s=200, version=2), second=300)
    assert plant.told() == [("raised", "ops", 1), ("cleared", "ops", 1)]
    assert plant.wait(9_999) == (0, 0)


def test_a_message_that_snoozes_takes_nobody_else_in(plant: Plant) -> None:
    plant.take(plant.says("raised", "a"), plant.says("raised", "b"))
    plant.send()
    plant.desk.snooze(plant.id("a"), at(3_000), Change("ann", at(155)))
    critical: Any = {"severity": "critical", "at_s": 150}
    plant.take(plant.says("escalated", "a", **critical), plant.says("escalated", "b", **critical), second=160)
    assert plant.told()[1:] == [("escalated", "ops", 1), ("escalated", "ops", 1)]
    assert [m["next_attempt_at"] for m in plant.messages()[1:]] == [at(3_000), at(160)]


def waits(plant: Plant, group_wait_s: int, group_wait_critical_s: int) -> None:
    entry = ChannelEntry("ops", "mqtt", "", {}, None, True, group_wait_s, group_wait_critical_s)
    ChannelStore(plant.connection, plant.tenant).put(entry, "ann", at())


def due(plant: Plant) -> list[Any]:
    return [message["next_attempt_at"] for message in plant.messages()]


def test_a_channel_gathers_for_as_long_as_it_is_set_to(plant: Plant) -> None:
    waits(plant, 120, 10)
    plant.take(plant.says("raised", "a"), second=100)
    plant.take(plant.says("raised", "b"), second=215)
    plant.take(plant.says("raised", "c", severity="critical"), second=216)
    assert plant.told() == [("raised", "ops", 3)]
    assert due(plant) == [at(220)]
    plant.send(220)
    waits(plant, 0, 0)
    plant.take(plant.says("raised", "d"), second=300)
    assert due(plant)[1:] == [at(300)]


def test_critical_alerts_wait_for_nobody_and_those_of_one_moment_are_one_message(plant: Plant) -> None:
    plant.take(plant.says("raised", "a"), second=100)
    critical: Any = {"severity": "critical"}
    plant.take(plant.says("raised", "b", **critical), plant.says("raised", "c", **critical), second=110)
    assert plant.told() == [("raised", "ops", 1), ("raised", "ops", 2)]
    assert due(plant) == [at(130), at(110)]
    plant.send(111)
    plant.take(plant.says("raised", "d", **critical), second=112)
    assert due(plant)[-1] == at(112)
    assert plant.told()[-1] == ("raised", "ops", 1)


def test_what_becomes_critical_while_it_waits_waits_no_longer(plant: Plant) -> None:
    plant.take(plant.says("raised", "a"), plant.says("raised", "b"), second=100)
    plant.take(plant.says("escalated", "a", severity="critical"), second=105)
    assert plant.told() == [("raised", "ops", 2)]
    assert due(plant) == [at(105)]


def test_that_a_critical_alert_is_over_may_wait(plant: Plant) -> None:
    plant.take(plant.says("raised", severity="critical"))
    plant.send()
    plant.take(plant.says("cleared", at_s=300, severity="critical"), second=400)
    assert due(plant)[1:] == [at(430)]


def test_an_escalation_that_is_snoozed_comes_when_the_snooze_ends(plant: Plant) -> None:
    escalating(plant)
    plant.desk.snooze(plant.id(), at(3_000), Change("ann", at(200)))
    assert plant.wait(3_000) == (1, 0)


def test_a_snooze_starts_no_escalation_where_there_is_none(plant: Plant) -> None:
    plant.take(plant.says("raised"))
    plant.desk.snooze(plant.id(), at(3_000), Change("ann", at(200)))
    assert plant.wait(9_999) == (0, 0)
