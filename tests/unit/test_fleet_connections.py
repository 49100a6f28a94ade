"""A fleet in which every device has a connection of its own."""

from random import Random

import pytest

from ingest.fleet.connections import OwnConnections
from ingest.fleet.machines import Machine, Radio
from ingest.replay.message import Message
from millrace.errors import MillraceError

pytestmark = pytest.mark.sessions

NOW_MS = 1_790_000_000_000


class OneSender:
    """A sender that takes everything at once."""

    window = 5
    refused = 0
    refusal = ""
    in_flight = 0

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.closed = False

    @property
    def acknowledged(self) -> int:
        return len(self.sent)

    def send(self, message: Message) -> None:
        self.sent.append(message.device_id)

    def poll(self, timeout_s: float) -> None:
        return

    def close(self) -> None:
        self.closed = True


def test_a_message_goes_over_the_connection_of_its_device() -> None:
    opened: dict[str, OneSender] = {}
    fleet = OwnConnections(["a", "b"], lambda device_id: opened.setdefault(device_id, OneSender()))
    for device_id in "aba":
        fleet.send(Message(device_id, NOW_MS, b"{}"))
    fleet.poll(0.0)
    assert {device_id: sender.sent for device_id, sender in opened.items()} == {"a": ["a", "a"], "b": ["b"]}
    assert (fleet.window, fleet.acknowledged, fleet.refused, fleet.in_flight) == (10, 3, 0, 0)
    fleet.close()
    assert all(sender.closed for sender in opened.values())


def test_when_one_device_is_not_let_in_the_others_are_closed_again() -> None:
    opened: list[OneSender] = []

    def open_one(device_id: str) -> OneSender:
        if device_id == "c":
            raise MillraceError("no")
        opened.append(OneSender())
        return opened[-1]

    with pytest.raises(MillraceError):
        OwnConnections(["a", "b", "c"], open_one)
    assert [sender.closed for sender in opened] == [True, True]


def test_every_device_tells_its_battery_and_how_well_it_is_heard() -> None:
    radio = Radio(Random(1))
    measured = [radio.measure(NOW_MS + minute * 60_000) for minute in range(0, 7 * 1440, 10)]
    assert all(20 <= m["battery_pct"] <= 100 and -120 <= m["signal_dbm"] <= -30 for m in measured)
    assert max(m["battery_pct"] for m in measured) > 95
    assert min(m["battery_pct"] for m in measured) < 25
    assert {"battery_pct", "signal_dbm"} <= Machine("pump", 1, 7).sample(NOW_MS).metrics.keys()
