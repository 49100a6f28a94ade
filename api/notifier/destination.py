"""A host's addresses, looked up once: what was judged is what is connected to."""

import socket
import ssl
from functools import cache
from typing import NamedTuple

from udfs.notify.addresses import refusal


class Destination(NamedTuple):
    """A host by name and the addresses it may be reached at."""

    host: str
    port: int
    addresses: tuple[str, ...]


class UnreachableError(Exception):
    """The host's name could not be looked up now."""


class ForbiddenError(Exception):
    """The channel must not reach this host."""


def look_up(host: str, port: int, private_allowed: bool) -> Destination:
    """Return where a host is; UnreachableError, ForbiddenError."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise UnreachableError(f"the name {host} cannot be looked up: {error}") from None
    addresses = tuple(dict.fromkeys(str(entry[4][0]) for entry in found))
    reason = refusal(addresses, private_allowed)
    if reason is not None:
        raise ForbiddenError(
            f"{host} is not to be reached: {reason}; "
            "whoever runs the stack can allow it (MILLRACE_NOTIFY__PRIVATE_CHANNELS)"
        )
    return Destination(host, port, addresses)


@cache
def trusted() -> ssl.SSLContext:
    """Return whom we trust: what this machine trusts, a plant's own authority included."""
    return ssl.create_default_context()
