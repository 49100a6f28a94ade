"""What the stack's settings say of notifications."""

from typing import NamedTuple

from api.notifier.channel_kind import Broker, Reach
from millrace.secrets import load_secrets
from millrace.settings import Settings


class Options(NamedTuple):
    """Where links in messages lead, and the stack's broker."""

    link_root: str
    broker: Broker

    def reach(self, private_allowed: bool) -> Reach:
        """Return what a channel may reach that may reach private addresses, or may not."""
        return Reach(private_allowed, self.broker)


def options(config: Settings) -> Options:
    """Return the options of a stack."""
    password = load_secrets(config).mqtt_gateway.get_secret_value()
    return Options(
        link_root=(config.notify.link_root or f"http://{config.address('api')}").rstrip("/"),
        broker=Broker(config.bind_host, config.port("mqtt"), "gateway", password),
    )
