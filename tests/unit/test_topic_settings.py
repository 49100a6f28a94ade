"""What a topic file means to the broker."""

import pytest

from jobs.runtime.topics import _configuration, _new_topic, partitions_wanted
from millrace.contracts import topics

pytestmark = pytest.mark.sessions


@pytest.mark.parametrize("name", sorted(topics()))
def test_log_time_is_the_brokers(name: str) -> None:
    assert _configuration(topics()[name])["message.timestamp.type"] == "LogAppendTime"


def test_a_topic_that_keeps_the_newest_of_each_key_never_drops_it_by_age() -> None:
    context = _configuration(topics()["device-context"])
    assert context["cleanup.policy"] == "compact"
    assert "retention.ms" not in context


def test_other_topics_are_kept_as_long_as_they_say() -> None:
    assert _configuration(topics()["telemetry"])["retention.ms"] == str(168 * 3_600_000)


@pytest.mark.parametrize(
    ("present", "subtasks", "wanted"), [(1, 1, 1), (1, 2, 3), (2, 2, 2), (2, 4, 6), (4, 2, 4), (6, 5, 6)]
)
def test_a_topic_read_by_every_subtask_gets_a_new_partition_for_each_where_one_is_missing(
    present: int, subtasks: int, wanted: int
) -> None:
    assert partitions_wanted(present, subtasks) == wanted


@pytest.mark.parametrize(("subtasks", "clocks"), [(1, 1), (2, 2), (4, 4)])
def test_the_clock_begins_with_a_partition_for_each_subtask_and_readings_do_not(
    subtasks: int, clocks: int
) -> None:
    found = {
        name: _new_topic(topics()[name], subtasks).num_partitions for name in ("telemetry", "telemetry.clock")
    }
    assert found == {"telemetry": topics()["telemetry"].partitions, "telemetry.clock": clocks}
