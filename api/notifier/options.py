"""What the stack's settings say of notifications."""

from collections.abc import Collection
from typing import NamedTuple

from api.notifier.channel_kind import Broker, Reach
from millrace.secrets import load_secrets
from millrace.settings import Settings


class Options(NamedTuple):
    """Where links in messages lead, who may reach private addresses, and the stack's broker."""

    link_root: str
    private_channels: Collection[str]
    broker: Broker

    def reach(self, tenant: str, channel: str) -> Reach:
        """Return what a channel may reach; a tenant cannot allow itself more."""
        return Reach(f"{tenant}/{channel}" in self.private_channels, self.broker)


def options(config: Settings) -> Options:
    """Return the options of a stack."""
    password = load_secrets(config).mqtt_gateway.get_secret_value()
    return Options(
        link_root=(config.notify.link_root or f"http://{config.address('api')}").rstrip("/"),
        private_channels=frozenset(config.notify.private_channels),
        broker=Broker(config.bind_host, config.port("mqtt"), "gateway", password),
    )
