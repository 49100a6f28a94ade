"""The life of alerts on a real PostgreSQL: what the stream says, what time brings, and who is told how often."""

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from catalog.alert_desk import AlertDesk
from catalog.alert_transitions import Kind, Lifecycle, Transition
from catalog.migrations import connect
from catalog.outbox import RuleBook
from catalog.rule_store import Change, Entry, RuleStore
from millrace.settings import Settings
from tests.integration.alert_services import alert_id, at, rows, rule, running, said

pytestmark = [pytest.mark.integration, pytest.mark.alerts]


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    with running(tmp_path_factory.mktemp("alerts"), "postgres") as config:
        yield config


_numbers = itertools.count(1)


class Plant:
    """A tenant of one test, with a rule, and the keeper and people at work on its alerts."""

    def __init__(self, config: Settings) -> None:
        self.config = config
        self.tenant = f"plant-{next(_numbers)}"
        self.connection = connect(config)
        self.connection.autocommit = True
        self.desk = AlertDesk(self.connection, self.tenant)
        self.rules = RuleStore(self.connection, self.tenant)
        self.put()

    def put(self, name: str = "too-hot", state: Any = "enabled", second: float = 0, **fields: Any) -> int:
        entry = Entry(name, state, rule(name, **fields))
        self.rules.import_rules([entry], Change("test", at(second)))
        return self.rules.versions(name)[0].version

    def says(self, kind: Kind, device: str = "pump-1", at_s: float = 60, **more: Any) -> Transition:
        return said(self.tenant, kind, device, at_s, **more)

    def take(self, *transitions: Transition, second: float = 100) -> None:
        with self.connection.transaction():
            self._life(second).take(transitions)

    def wait(self, second: float) -> tuple[int, int]:
        with self.connection.transaction():
            return self._life(second).escalate(), self._life(second).close_out_of_force()

    def _life(self, second: float) -> Lifecycle:
        return Lifecycle(self.connection, RuleBook(self.connection), at(second))

    def id(self, device: str = "pump-1", onset_s: float = 0) -> str:
        return alert_id(f"{self.tenant}/{device}", onset_s)

    def state(self, device: str = "pump-1") -> str:
        return str(self.desk.alert(self.id(device))["state"])

    def told(self) -> list[tuple[str, str, int]]:
        """Return (reason, channel, number of alerts) of each message, in the order they were made."""
        found = self.messages()
        return [(row["reason"], row["channel"], row["payload"]["count"]) for row in found]

    def messages(self) -> list[dict[str, Any]]:
        return rows(
            self.config,
            "SELECT notification_id, reason, channel, state, alert_id, payload, next_attempt_at "
            "FROM notification WHERE tenant = %s ORDER BY notification_id",
            self.tenant,
        )

    def send(self, second: float = 150) -> None:
        """Send what is due, as the notifier does."""
        rows(
            self.config,
            "UPDATE notification SET state = 'sent', attempts = 1, sent_at = %s "
            "WHERE tenant = %s AND state = 'pending' AND next_attempt_at <= %s",
            at(second),
            self.tenant,
            at(second),
        )


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
    assert [reason for reason, _, _ in plant.told()].count("raised") == (state != "withdrawn") - (
        name == "the beginning was missed"
    )


@pytest.mark.parametrize("name", STORIES)
def test_the_same_said_record_by_record_and_all_over_again_ends_the_same(plant: Plant, name: str) -> None:
    story, state, _ = STORIES[name]
    for second, (kind, at_s) in enumerate(story * 2):
        plant.take(plant.says(kind, at_s=at_s), second=100 + second)
    assert plant.state() == state
    alerts = [reason for reason, _, _ in plant.told()]
    assert len(alerts) == len(set(alerts))


def test_an_alert_keeps_the_figures_of_its_onset_and_the_version_that_raised_it(plant: Plant) -> None:
    plant.take(plant.says("raised", version=1), plant.says("cleared", at_s=600, version=2))
    alert = plant.desk.alert(plant.id())
    assert (alert["evidence"], alert["rule_version"]) == ({"temperature_c": 91, "at": "raised"}, 1)
    assert (alert["cleared_ms"], alert["closed_by"]) == (plant.says("cleared", at_s=600).at_ms, "stream")


@pytest.mark.parametrize("quiet", [{"shadow": True}, {"retroactive": True}])
def test_of_shadow_and_retroactive_alerts_nobody_is_told(plant: Plant, quiet: dict[str, bool]) -> None:
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
    critical = {"severity": "critical", "at_s": 150}
    plant.take(plant.says("escalated", "a", **critical), plant.says("escalated", "b", **critical), second=160)
    assert plant.told()[1:] == [("escalated", "ops", 1), ("escalated", "ops", 1)]
    assert [m["next_attempt_at"] for m in plant.messages()[1:]] == [at(3_000), at(190)]


def test_an_escalation_that_is_snoozed_comes_when_the_snooze_ends(plant: Plant) -> None:
    escalating(plant)
    plant.desk.snooze(plant.id(), at(3_000), Change("ann", at(200)))
    assert plant.wait(3_000) == (1, 0)


def test_a_snooze_starts_no_escalation_where_there_is_none(plant: Plant) -> None:
    plant.take(plant.says("raised"))
    plant.desk.snooze(plant.id(), at(3_000), Change("ann", at(200)))
    assert plant.wait(9_999) == (0, 0)


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
