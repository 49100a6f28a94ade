"""What a protocol module declares, and how the modules in `ingest/protocols/` are found."""

from collections.abc import Callable
from importlib import import_module
from pkgutil import iter_modules
from typing import NamedTuple

import ingest.protocols
from ingest.gateway.intake import Intake
from millrace.errors import MillraceError
from millrace.settings import Settings

PORTS_PER_INSTANCE = 2


class Protocol(NamedTuple):
    """One protocol: its name, its place among the metrics ports, how long Kafka may take, its loop.

    `give_up_ms` 0 waits without end; `run(intake, settings, instance)` returns after SIGTERM.
    """

    name: str
    metrics_offset: int
    give_up_ms: int
    run: Callable[[Intake, Settings, int], None]

    def metrics_port(self, settings: Settings, instance: int) -> int:
        """Return where this process answers Prometheus."""
        return settings.port("gateway_metrics") + self.metrics_offset + PORTS_PER_INSTANCE * instance


def protocol_names() -> list[str]:
    """List the protocols without importing them."""
    return sorted(module.name for module in iter_modules(ingest.protocols.__path__))


def find_protocol(name: str) -> Protocol:
    """Import one protocol module; raise MillraceError when there is none of that name."""
    if name not in protocol_names():
        raise MillraceError(
            f"no protocol {name!r}", where="ingest/protocols", mend=f"Use one of {protocol_names()}."
        )
    protocol: Protocol = import_module(f"ingest.protocols.{name}").PROTOCOL
    return protocol
