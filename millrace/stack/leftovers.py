"""Ends processes a supervisord that was killed left behind."""

import time

import psutil

from millrace.settings import Settings
from millrace.stack import places

_PATIENCE_S = 20.0


def leftovers(settings: Settings) -> list[psutil.Process]:
    """Return the processes this stack's supervisord started, recognised by its mark in their environment."""
    mark = f"unix://{places.supervisor_socket(settings)}"
    return [process for process in psutil.process_iter() if _mark(process) == mark]


def _mark(process: psutil.Process) -> str:
    try:
        return str(process.environ().get("SUPERVISOR_SERVER_URL", ""))
    except (psutil.Error, OSError):
        return ""


def reap(settings: Settings) -> int:
    """End every left-over process, first kindly; return how many there were."""
    found = leftovers(settings)
    for process in found:
        _signal(process, kill=False)
    _, stubborn = psutil.wait_procs(found, timeout=_PATIENCE_S)
    for process in stubborn:
        _signal(process, kill=True)
    psutil.wait_procs(stubborn, timeout=_PATIENCE_S)
    return len(found)


def _signal(process: psutil.Process, *, kill: bool) -> None:
    try:
        process.kill() if kill else process.terminate()
    except psutil.NoSuchProcess:
        return


def is_alive(pid: int) -> bool:
    """Tell whether a process exists and is no zombie."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def wait_gone(pid: int, patience_s: float) -> bool:
    """Wait until a process is gone; false when it outlives the patience."""
    deadline = time.monotonic() + patience_s
    while is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not is_alive(pid)
