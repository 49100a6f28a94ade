"""Looks at the machine: programs, Java, memory, disk, ports."""

import shutil
import sys
from pathlib import Path

import psutil

from millrace.doctor.finding import Finding
from millrace.settings import Settings
from millrace.stack.discovery import services
from millrace.stack.occupancy import holder, is_free
from millrace.stack.places import JAVA_VERSION, find_java_home, find_tool, java_version
from millrace.stack.start import needed_tools
from millrace.stack.supervision import Supervisor

_GIB = 1024**3
_MEMORY_GIB = 6
_DISK_GIB = 5
_SETUP = "Run `make setup`."


def look(settings: Settings) -> list[Finding]:
    """Return every finding about the machine."""
    tools = [_tool(name) for name in [*needed_tools(services()), "mvn", "make"]]
    return [_python(), _java(), *tools, _memory(), _disk(settings), _ports(settings)]


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    return Finding(
        name="Python",
        ok=sys.version_info[:2] == (3, 11),
        found=version,
        mend="Use Python 3.11, then `make setup`.",
    )


def _java() -> Finding:
    home = find_java_home()
    found = f"{java_version(home)} in {home}" if home else f"no Java {JAVA_VERSION}"
    return Finding(name="Java", ok=home is not None, found=found, mend=_SETUP)


def _tool(name: str) -> Finding:
    path = find_tool(name)
    return Finding(name=name, ok=path is not None, found=str(path or "not installed"), mend=_SETUP)


def memory_limit() -> int:
    """Return the bytes this process may use: the machine's, or its control group's if that is less."""
    total = int(psutil.virtual_memory().total)
    limits = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
    texts = [path.read_text().strip() for path in limits if path.exists()]
    return min([total, *(int(text) for text in texts if text.isdigit())])


def _memory() -> Finding:
    size = memory_limit() / _GIB
    # What is sold as 6 GB shows a little less.
    enough = size >= _MEMORY_GIB * 0.93
    smaller = "Give it more, or lower MILLRACE_FLINK__TASKMANAGER_MEMORY."
    return Finding(name="memory", ok=enough, found=f"{size:.1f} GiB, {_MEMORY_GIB} wanted", mend=smaller)


def _disk(settings: Settings) -> Finding:
    place = next(path for path in [settings.home, *settings.home.parents] if path.exists())
    free = shutil.disk_usage(place).free / _GIB
    mend = f"Free some, or move MILLRACE_HOME off {place}."
    return Finding(
        name="disk", ok=free >= _DISK_GIB, found=f"{free:.0f} GiB free, {_DISK_GIB} wanted", mend=mend
    )


def _ports(settings: Settings) -> Finding:
    running = _running(settings)
    wanted = {name: s for s in services().values() if s.name not in running for name in s.ports}
    taken = [name for name in wanted if not is_free(settings.bind_host, settings.port(name))]
    said = ", ".join(f"{settings.port(name)} ({name}) by {holder(settings.port(name))}" for name in taken)
    return Finding(
        name="ports",
        ok=not taken,
        found=f"taken: {said}" if taken else ("free, or ours" if running else "all free"),
        mend="Stop them, or shift ours with MILLRACE_PORT_OFFSET.",
    )


def _running(settings: Settings) -> set[str]:
    if not (settings.folder / "secrets.json").exists():
        return set()
    supervisor = Supervisor(settings)
    if not supervisor.is_running():
        return set()
    return {name for name, process in supervisor.processes().items() if process.is_running}
