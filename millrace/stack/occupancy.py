"""Says in one sentence why a port cannot be had."""

import socket

import psutil

from millrace.errors import MillraceError
from millrace.settings import Settings
from millrace.stack.service import Service


def is_free(host: str, port: int) -> bool:
    """Tell whether a server could listen on a port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def holder(port: int) -> str:
    """Name the process that listens on a port, as far as we may see it."""
    try:
        links = psutil.net_connections(kind="tcp")
    except psutil.AccessDenied:
        return "another process"
    pids = [link.pid for link in links if link.status == psutil.CONN_LISTEN and link.laddr.port == port]
    for pid in filter(None, pids):
        try:
            return f"{psutil.Process(pid).name()} (pid {pid})"
        except psutil.Error:
            continue
    return "another process"


def require_free(settings: Settings, service: Service) -> None:
    """Raise MillraceError naming the first port of a service that is taken, by whom, and the setting."""
    for name in service.ports:
        port = settings.port(name)
        if not is_free(settings.bind_host, port):
            raise MillraceError(
                f"port {port}, which {service.name} needs, is taken by {holder(port)}",
                mend=f"Stop it, or move ours with MILLRACE_PORTS__{name.upper()} or MILLRACE_PORT_OFFSET.",
            )
