"""A host's addresses, looked up once: what was judged is what is connected to."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import NamedTuple

from millrace.errors import MillraceError
from udfs.notify.addresses import refusal


class Destination(NamedTuple):
    """A host by name and the addresses it may be reached at."""

    host: str
    port: int
    addresses: tuple[str, ...]


class UnreachableError(Exception):
    """The host's name could not be looked up now."""


class ForbiddenError(MillraceError):
    """The channel must not reach this host; whoever runs the stack can allow it."""


@contextmanager
def naming_permission(tenant: str, channel: str) -> Iterator[None]:
    """Let a ForbiddenError name the command that gives a channel the permission."""
    try:
        yield
    except ForbiddenError as error:
        command = f"millrace channels allow {channel} --tenant {tenant}"
        mend = f"If it is meant to, whoever runs the stack says `{command}`, which holds at once."
        raise ForbiddenError(error.what, where=error.where, mend=mend) from None


def look_up(host: str, port: int, private_allowed: bool) -> Destination:
    """Return where a host is; UnreachableError, ForbiddenError."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise UnreachableError(f"the name {host} cannot be looked up: {error}") from None
    addresses = tuple(dict.fromkeys(str(entry[4][0]) for entry in found))
    reason = refusal(addresses, private_allowed)
    if reason is not None:
        raise ForbiddenError(f"{host} is not to be reached: {reason}", where="host")
    return Destination(host, port, addresses)


@cache
def trusted() -> ssl.SSLContext:
    """Return whom we trust: what this machine trusts, a plant's own authority included."""
    return ssl.create_default_context()
