"""What every sender can do, and how the modules in `senders/` are found: the driver knows no protocol."""

from collections.abc import Callable
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, NamedTuple, Protocol

import ingest.replay.senders

if TYPE_CHECKING:
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

    def send(self, message: "Message") -> None:
        """Hand over one message without waiting for its acknowledgement."""

    def poll(self, timeout_s: float) -> None:
        """Move what is in flight; return after at most about `timeout_s`, or a request's own time."""

    def close(self) -> None:
        """Release the connection; what is still in flight is given up."""


class Way(NamedTuple):
    """A way out: who sends, the most messages in flight, and whether a payload must name its device."""

    sender: Callable[["Settings", str, int], Sender]
    window: int
    names_device: bool = False


def way_names() -> list[str]:
    """List the ways without importing them, nor the libraries they need."""
    return sorted(module.name for module in iter_modules(ingest.replay.senders.__path__))


def find_way(name: str) -> Way:
    """Import one module of `senders/`."""
    way: Way = import_module(f"ingest.replay.senders.{name}").WAY
    return way


def open_sender(via: str, settings: "Settings", tenant: str, window: int | None = None) -> Sender:
    """Connect by one of `way_names`; `window` limits the messages in flight, None = as the way does."""
    way = find_way(via)
    return way.sender(settings, tenant, window or way.window)
