"""What the runner knows about one service; each module in `millrace/services/` declares one."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from millrace.settings import Settings

Profile = Literal["core", "fleet"]


def _nothing(_: Settings) -> None:
    """Prepare nothing."""


def _no_variables(_: Settings) -> Mapping[str, str]:
    return {}


def _at_once(_: Settings) -> bool:
    return True


@dataclass(frozen=True, kw_only=True)
class Service:
    """A supervised process, or (`once`) a step that `up` runs to its end each time.

    It is started when its `needs` are ready, except for those it waits for by itself (`waits_for`), and
    stopped before any of them.
    """

    name: str
    about: str
    command: Callable[[Settings], Sequence[str]]
    needs: tuple[str, ...] = ()
    waits_for: tuple[str, ...] = ()
    prepare: Callable[[Settings], None] = _nothing
    environment: Callable[[Settings], Mapping[str, str]] = _no_variables
    ready: Callable[[Settings], bool] = _at_once
    ports: tuple[str, ...] = ()
    scheme: str = ""
    module: str = ""
    tools: tuple[str, ...] = ()
    profile: Profile = "core"
    once: bool = False
    patience_s: int = 180
    stop_signal: str = "TERM"
    stop_wait_s: int = 15

    def url(self, settings: Settings) -> str:
        """Return where people reach the service, or an empty text when nobody does."""
        return f"{self.scheme}://{settings.address(self.ports[0])}" if self.scheme else ""

    def port(self, settings: Settings) -> int | None:
        """Return the service's first port, offset included."""
        return settings.port(self.ports[0]) if self.ports else None
