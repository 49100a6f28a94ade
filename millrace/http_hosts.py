"""Which Host a server of this stack answers to, against pages that reach it by a name of theirs.

A name that an attacker lets point to this machine (DNS rebinding) arrives as Host, an IP address
cannot.
"""

import socket
from functools import lru_cache
from ipaddress import ip_address

from millrace.settings import Settings

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_EVERYWHERE = frozenset({"0.0.0.0", "::", ""})


def is_allowed_host(header: str, config: Settings) -> bool:
    """Tell whether a Host header is loopback, the bind host, or one that the settings allow."""
    name = _name(header)
    if name in _LOOPBACK or name == config.bind_host.lower():
        return True
    if any(_fits(name, allowed.lower()) for allowed in config.http.allowed_hosts):
        return True
    return config.bind_host in _EVERYWHERE and (_is_address(name) or name == _own_name())


def _name(header: str) -> str:
    host = header.strip().lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    name, colon, port = host.rpartition(":")
    host = name if colon and port.isdecimal() else host
    return host.rstrip(".")


def _fits(name: str, allowed: str) -> bool:
    return allowed == "*" or name == allowed or (allowed.startswith("*.") and name.endswith(allowed[1:]))


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


@lru_cache(maxsize=1)
def _own_name() -> str:
    return socket.gethostname().lower()
