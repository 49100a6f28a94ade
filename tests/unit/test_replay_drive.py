from collections.abc import Iterator

import pytest

from ingest.replay.drive import Driver, Progress
from ingest.replay.message import Message


class Scripted:
    """A sender whose other side acknowledges `per_poll` messages at each poll."""

    def __init__(self, window: int, per_poll: int, refuse: int = 0) -> None:
        self.window = window
        self.acknowledged = 0
        self.refused = refuse
        self.refusal = ""
        self.sent: list[Message] = []
        self.most_in_flight = 0
        self._per_poll = per_poll

    @property
    def in_flight(self) -> int:
        return max(0, len(self.sent) - self.acknowledged - self.refused)

    def send(self, message: Message) -> None:
        self.sent.append(message)
        self.most_in_flight = max(self.most_in_flight, self.in_flight)

    def poll(self, timeout_s: float) -> None:
        self.acknowledged += min(self._per_poll, self.in_flight)

    def close(self) -> None:
        return


def messages(count: int) -> Iterator[Message]:
    return (Message("d", n, b"") for n in range(count))


def run(sender: Scripted, count: int, give_up_after_s: float = 5.0) -> tuple[Driver, Progress]:
    driver = Driver(sender, speed=None, give_up_after_s=give_up_after_s, report=lambda _: None)
    return driver, driver.run(messages(count))


@pytest.mark.replay
def test_everything_is_sent_in_order_and_acknowledged_within_the_window() -> None:
    sender = Scripted(window=10, per_poll=3)
    driver, ended = run(sender, 100)
    assert [message.event_time for message in sender.sent] == list(range(100))
    assert sender.most_in_flight <= 10
    assert (ended.sent, ended.acknowledged, ended.in_flight, driver.stalled) == (100, 100, 0, False)


@pytest.mark.replay
def test_a_silent_other_side_ends_the_replay_unacknowledged() -> None:
    driver, ended = run(Scripted(window=10, per_poll=0), 100, give_up_after_s=0.05)
    assert driver.stalled
    assert (ended.sent, ended.acknowledged, ended.in_flight) == (10, 0, 10)


@pytest.mark.replay
def test_a_refused_message_is_not_waited_for() -> None:
    driver, ended = run(Scripted(window=10, per_poll=1, refuse=2), 20)
    assert (ended.acknowledged, ended.refused, driver.stalled) == (18, 2, False)


@pytest.mark.replay
def test_speed_spreads_the_messages_over_time() -> None:
    sender = Scripted(window=10, per_poll=10)
    driver = Driver(sender, speed=2.0, give_up_after_s=5, report=lambda _: None)
    ended = driver.run(Message("d", n * 100, b"") for n in range(4))
    assert 0.15 <= ended.elapsed_s < 1.0
