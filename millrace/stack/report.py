"""What `millrace status` says about each service."""

from collections.abc import Iterable, Mapping

import psutil
from pydantic import BaseModel, ConfigDict
from rich.text import Text

from millrace.output import Cell, left, print_table, right
from millrace.settings import Settings
from millrace.stack.service import Service
from millrace.stack.supervision import Process, Supervisor

_STYLES = {"running": "green", "starting": "yellow", "stopped": "dim"}
_MIB = 1024 * 1024


class ServiceStatus(BaseModel):
    """One service as programs read it; `pid` is null when it does not run."""

    model_config = ConfigDict(frozen=True)

    name: str
    state: str
    pid: int | None
    uptime_s: int
    memory_mb: int
    port: int | None
    url: str


def statuses(settings: Settings, services: Iterable[Service]) -> list[ServiceStatus]:
    """Return the state of every supervised service; a stack that is down has them all stopped."""
    supervisor = Supervisor(settings) if (settings.folder / "secrets.json").exists() else None
    known = supervisor.processes() if supervisor and supervisor.is_running() else {}
    return [_status(settings, service, known.get(service.name)) for service in services if not service.once]


def _status(settings: Settings, service: Service, process: Process | None) -> ServiceStatus:
    pid = process.pid if process and process.pid else None
    return ServiceStatus(
        name=service.name,
        state=process.state.lower() if process else "stopped",
        pid=pid,
        uptime_s=process.uptime_s if process else 0,
        memory_mb=memory_mb(pid) if pid else 0,
        port=service.port(settings),
        url=service.url(settings),
    )


def memory_mb(pid: int) -> int:
    """Return the resident memory of a process and its children in MiB; 0 when it is gone."""
    try:
        root = psutil.Process(pid)
        family = [root, *root.children(recursive=True)]
    except psutil.Error:
        return 0
    return sum(_resident(process) for process in family) // _MIB


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


_COLUMNS = (*left("service", "state"), *right("pid", "up", "memory", "port"), *left("url"))


def show_statuses(stack: str, rows: list[ServiceStatus]) -> None:
    """Print the table people see."""
    total = sum(row.memory_mb for row in rows)
    cells = ["all", "", "", "", f"{total:,} MiB", "", ""]
    print_table(_COLUMNS, map(_cells, rows), title=f"stack {stack}", total=cells)


def _cells(row: ServiceStatus) -> list[Cell]:
    state = Text(row.state, style=_STYLES.get(row.state, "bold red"))
    pid = str(row.pid) if row.pid else ""
    memory = f"{row.memory_mb:,} MiB" if row.pid else ""
    return [
        row.name,
        state,
        pid,
        duration(row.uptime_s),
        memory,
        str(row.port or ""),
        row.url if row.url.startswith("http") else "",
    ]


def service_logs(settings: Settings) -> dict[str, int | None]:
    """Return the size of each service's log in bytes, None where there is none yet, by name."""
    from millrace.stack.discovery import services
    from millrace.stack.places import logs

    sizes: dict[str, int | None] = dict.fromkeys(services())
    sizes |= {file.stem: file.stat().st_size for file in logs(settings).glob("*.log")}
    return dict(sorted(sizes.items()))


def show_logs(sizes: Mapping[str, int | None]) -> None:
    """Print the services that have a log, or will."""
    rows = [(name, "none yet" if size is None else f"{size:,} B") for name, size in sizes.items()]
    print_table((*left("service"), *right("log")), rows, caption="`millrace logs SERVICE [-f]` shows one")


def duration(seconds: int) -> str:
    """Format seconds for a narrow column: `7s`, `3m20s`, `2h5m`, `4d1h`."""
    units = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)]
    parts = []
    for unit, size in units:
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts[:2])
