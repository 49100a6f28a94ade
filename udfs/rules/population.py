"""Which devices a scope means, when their readings are to be found by name."""

from collections.abc import Collection, Iterable
from typing import NamedTuple

from udfs.rules.model import Scope
from udfs.rules.reading import RuleDevice


class Population(NamedTuple):
    """Only these devices, or with None all but those left out."""

    only: frozenset[str] | None = None
    left_out: frozenset[str] = frozenset()

    def holds(self, device_id: str) -> bool:
        """Tell whether a device is one of them."""
        return device_id in self.only if self.only is not None else device_id not in self.left_out


def needs_registry(scope: Scope) -> bool:
    """Tell whether a scope names devices by what the registry says of them."""
    return bool(scope.sites or scope.profiles or scope.tags)


def population(tenant: str, scope: Scope, registered: Iterable[RuleDevice]) -> Population:
    """Return the devices in scope; those not registered have no site, the default profile and no tags."""
    if not needs_registry(scope):
        return Population(frozenset(scope.devices) or None)
    known = {device.device_id: device for device in registered}
    covered = _covered(tenant, scope, known, scope.devices or known)
    if scope.devices or not scope.covers(RuleDevice(tenant, "")):
        return Population(covered)
    return Population(None, frozenset(known) - covered)


def _covered(
    tenant: str, scope: Scope, known: dict[str, RuleDevice], names: Collection[str]
) -> frozenset[str]:
    devices = (known.get(name) or RuleDevice(tenant, name) for name in names)
    return frozenset(device.device_id for device in devices if scope.covers(device))
