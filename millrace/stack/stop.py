"""Stops a stack in reverse order of its needs and leaves nothing behind but its state on disk."""

import shutil
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from millrace.errors import MillraceError
from millrace.settings import Settings
from millrace.stack import places
from millrace.stack.leftovers import reap, wait_gone
from millrace.stack.service import Service
from millrace.stack.supervision import Supervisor

_GOODBYE_S = 30.0


def stop(settings: Settings, services: dict[str, Service], watch: Callable[[str, str], None]) -> int:
    """Stop everything; return how many processes were ended. A stack that is down is no error."""
    if not (settings.folder / "secrets.json").exists():
        return 0
    supervisor = Supervisor(settings)
    ended = _descend(supervisor, services, watch) if supervisor.is_running() else 0
    ended += reap(settings)
    _sweep(settings)
    return ended


def _descend(supervisor: Supervisor, services: dict[str, Service], watch: Callable[[str, str], None]) -> int:
    running = [name for name, process in supervisor.processes().items() if process.state != "STOPPED"]
    order = [name for name in services if name in running]
    order += [name for name in running if name not in services]
    stopped: dict[str, Future[None]] = {}

    def end(name: str) -> None:
        for other, future in list(stopped.items()):
            if name in _needs(other, services):
                future.result()
        watch(name, "stopping")
        supervisor.stop(name)
        watch(name, "stopped")

    with ThreadPoolExecutor(max_workers=max(1, len(order))) as pool:
        for name in reversed(order):
            stopped[name] = pool.submit(end, name)
    for future in stopped.values():
        future.result()
    _end_supervisor(supervisor)
    return len(order)


def _needs(name: str, services: dict[str, Service]) -> set[str]:
    """Return what a service rests on, directly or through steps that ended long ago."""
    direct = services[name].needs if name in services else ()
    return {*direct, *(further for need in direct for further in _needs(need, services))}


def _end_supervisor(supervisor: Supervisor) -> None:
    pid = supervisor.pid()
    supervisor.shutdown()
    if not wait_gone(pid, _GOODBYE_S):
        raise MillraceError(f"supervisord (pid {pid}) does not stop", mend=f"End it with `kill -9 {pid}`.")


def _sweep(settings: Settings) -> None:
    places.supervisor_socket(settings).unlink(missing_ok=True)
    places.supervisor_pid_file(settings).unlink(missing_ok=True)
    for name in ("flink/run", "flink/scratch"):
        shutil.rmtree(settings.folder / name, ignore_errors=True)


def wipe(settings: Settings) -> None:
    """Remove all a stopped stack keeps on disk."""
    if settings.folder.exists():
        shutil.rmtree(settings.folder)
