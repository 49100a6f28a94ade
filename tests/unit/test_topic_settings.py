"""What a topic file means to the broker."""

import pytest

from jobs.runtime.topics import _configuration
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
