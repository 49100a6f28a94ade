"""What every sender can do, so that the driver need not know the protocol."""

from typing import Protocol

from ingest.replay.message import Message
from millrace.settings import Settings


class Sender(Protocol):
    """Sends in order; a message is in flight until the other side acknowledged or refused it."""

    @property
    def window(self) -> int:
        """How many messages may be in flight."""

    @property
    def acknowledged(self) -> int:
        """How many messages the other side took."""

    @property
    def refused(self) -> int:
        """How many messages it refused."""

    @property
    def refusal(self) -> str:
        """Why it refused the last one."""

    @property
    def in_flight(self) -> int:
        """How many messages are neither acknowledged nor refused."""

    def send(self, message: Message) -> None:
        """Hand over one message without waiting for its acknowledgement."""

    def poll(self, timeout_s: float) -> None:
        """Move what is in flight; return after at most about `timeout_s`, or a request's own time."""

    def close(self) -> None:
        """Release the connection; what is still in flight is given up."""


def open_sender(via: str, settings: Settings, tenant: str, window: int | None) -> Sender:
    """Connect by `mqtt`, `http` or `kafka`; `window` limits the messages in flight."""
    # Only the chosen protocol's client library is imported.
    if via == "mqtt":
        from ingest.replay.senders.mqtt import MqttSender

        return MqttSender(settings, tenant, window or MqttSender.DEFAULT_WINDOW)
    if via == "http":
        from ingest.replay.senders.http import HttpSender

        return HttpSender(settings, tenant, window or HttpSender.DEFAULT_WINDOW)
    from ingest.replay.senders.kafka import KafkaSender

    return KafkaSender(settings, tenant, window or KafkaSender.DEFAULT_WINDOW)


def tenant_token(settings: Settings, tenant: str) -> str:
    """Return the tenant's token; raise MillraceError when this stack does not know the tenant."""
    from millrace.errors import MillraceError
    from millrace.secrets import load_secrets

    try:
        return load_secrets(settings).tenant_token(tenant)
    except KeyError:
        raise MillraceError(
            f"stack {settings.stack!r} has no tenant {tenant!r}",
            where="--tenant",
            mend=f"Use {settings.tenant!r}.",
        ) from None
