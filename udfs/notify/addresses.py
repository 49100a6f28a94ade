"""Which addresses a channel may reach: without permission only those of the public internet.

A tenant chooses where its channels send, and the notifier stands inside the operator's network: an address of
that network would let a tenant speak to services nobody meant it to reach (server-side request forgery).
"""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final

_UNICAST: Final = IPv6Network("2000::/3")
# Both carry an IPv4 address: 6to4 in its second and third group, NAT64 in its last two.
_6TO4: Final = IPv6Network("2002::/16")
_NAT64: Final = IPv6Network("64:ff9b::/96")


def is_public(address: str) -> bool:
    """Tell whether an address belongs to the public internet."""
    found = ip_address(address.partition("%")[0])
    if isinstance(found, IPv4Address):
        return _is_public(found)
    carried = _carried(found)
    if carried is not None:
        return _is_public(carried)
    return found in _UNICAST and found not in _6TO4 and found.is_global


def refusal(addresses: Sequence[str], private_allowed: bool) -> str | None:
    """Return why a host with these addresses is not to be reached, or None.

    One address inside is enough: whoever names the host could make it answer with either.
    """
    if not addresses:
        return "the host has no address"
    inside = [] if private_allowed else [one for one in addresses if not is_public(one)]
    return f"{inside[0]} is no address of the public internet" if inside else None


def _carried(address: IPv6Address) -> IPv4Address | None:
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped


def _is_public(address: IPv4Address) -> bool:
    return address.is_global and not (address.is_multicast or address.is_reserved)
