"""One MQTT connection for each device, so that each has a name of its own and a last will."""

from collections.abc import Callable, Sequence

from ingest.replay.message import Message
from ingest.replay.senders.mqtt import MqttSender
from ingest.replay.way import Sender
from millrace.settings import Settings

_WINDOW = 20


class OwnConnections:
    """A sender made of one sender for each device; MillraceError when one of them is not let in."""

    def __init__(self, device_ids: Sequence[str], open_one: Callable[[str], Sender]) -> None:
        self._senders: dict[str, Sender] = {}
        try:
            for device_id in device_ids:
                self._senders[device_id] = open_one(device_id)
        except BaseException:
            self.close()
            raise

    @property
    def window(self) -> int:
        """How many messages may be in flight."""
        return sum(sender.window for sender in self._senders.values())

    @property
    def acknowledged(self) -> int:
        """How many messages the broker took."""
        return sum(sender.acknowledged for sender in self._senders.values())

    @property
    def refused(self) -> int:
        """How many messages the broker refused."""
        return sum(sender.refused for sender in self._senders.values())

    @property
    def refusal(self) -> str:
        """Why a message was refused."""
        return next((sender.refusal for sender in self._senders.values() if sender.refusal), "")

    @property
    def in_flight(self) -> int:
        """How many messages the broker has not acknowledged."""
        return sum(sender.in_flight for sender in self._senders.values())

    def send(self, message: Message) -> None:
        """Publish one message over its device's connection."""
        self._senders[message.device_id].send(message)

    def poll(self, timeout_s: float) -> None:
        """Let acknowledgements come in."""
        for sender in self._senders.values():
            sender.poll(timeout_s / len(self._senders))

    def close(self) -> None:
        """Say goodbye for every device."""
        for sender in self._senders.values():
            sender.close()


def connect_each(settings: Settings, tenant: str, device_ids: Sequence[str]) -> Sender:
    """Connect every device of a tenant by itself."""
    return OwnConnections(device_ids, lambda device_id: MqttSender(settings, tenant, _WINDOW, device_id))
