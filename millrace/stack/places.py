"""Where a stack keeps its things, and where the machine keeps its tools."""

import hashlib
import os
import shutil
import sys
import tempfile
from pathlib import Path

from millrace.errors import MillraceError
from millrace.settings import Settings

_SOCKET_PATH_LIMIT = 100
JAVA_VERSION = "17"
SYSTEM_PATH = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")


def venv_bin() -> Path:
    """Return the folder of the running interpreter's commands."""
    return Path(sys.executable).parent


def logs(settings: Settings) -> Path:
    """Return the folder of a stack's log files."""
    return settings.folder / "logs"


def log_file(settings: Settings, service: str) -> Path:
    """Return one service's log file."""
    return logs(settings) / f"{service}.log"


def supervisor_socket(settings: Settings) -> Path:
    """Return the supervisor's socket; a path too long for the kernel moves to the temporary folder."""
    wanted = settings.folder / "supervisor.sock"
    if len(str(wanted)) <= _SOCKET_PATH_LIMIT:
        return wanted
    digest = hashlib.sha256(str(wanted).encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"millrace-{digest}.sock"


def supervisor_pid_file(settings: Settings) -> Path:
    """Return the file in which supervisord writes its process id."""
    return settings.folder / "supervisord.pid"


def find_tool(name: str) -> Path | None:
    """Find a program on PATH or where Debian keeps daemons and PostgreSQL's programs."""
    postgres = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    folders = [os.environ.get("PATH", ""), *SYSTEM_PATH, *map(str, postgres)]
    found = shutil.which(name, path=os.pathsep.join(folders))
    return Path(found) if found else None


def tool(name: str) -> str:
    """Return a program's path; raise MillraceError when it is not installed."""
    found = find_tool(name)
    if found is None:
        raise MillraceError(f"`{name}` is not installed", mend="Run `make setup`.")
    return str(found)


def java_version(home: Path) -> str:
    """Return the version a Java folder declares, empty when it declares none."""
    release = home / "release"
    lines = release.read_text().splitlines() if release.is_file() else []
    return next((line.split('"')[1] for line in lines if line.startswith("JAVA_VERSION=")), "")


def find_java_home() -> Path | None:
    """Find Java 17: JAVA_HOME, then the machine's Java folders, then `java` on PATH."""
    on_path = find_tool("java")
    candidates = [
        *([Path(os.environ["JAVA_HOME"])] if os.environ.get("JAVA_HOME") else []),
        *sorted(Path("/usr/lib/jvm").glob("*")),
        *([on_path.resolve().parent.parent] if on_path else []),
    ]
    return next((home for home in candidates if _is_java_17(home)), None)


def _is_java_17(home: Path) -> bool:
    return (home / "bin" / "java").exists() and java_version(home).split(".")[0] == JAVA_VERSION


def java_home() -> Path:
    """Return Java 17's folder; raise MillraceError when there is none."""
    home = find_java_home()
    if home is None:
        raise MillraceError(f"Java {JAVA_VERSION} is not installed", mend="Run `make setup`.")
    return home


def java() -> str:
    """Return the Java 17 launcher."""
    return str(java_home() / "bin" / "java")


def class_archive(settings: Settings, program: str, may_write: bool = True) -> list[str]:
    """Return options by which a Java program maps its classes from an archive, or writes it at its first end.

    Loading and verifying classes is half of what a start costs (JEP 350). Java checks the archive against its
    class path and goes without it where they differ.
    """
    archive = settings.jars / "classes" / f"{program}.jsa"
    if not may_write and not archive.exists():
        return []
    archive.parent.mkdir(parents=True, exist_ok=True)
    what = "SharedArchiveFile" if archive.exists() else "ArchiveClassesAtExit"
    return [f"-XX:{what}={archive}", "-Xshare:auto", "-Xlog:cds=off", "-Xlog:cds+dynamic=off"]


def python_module(*words: str) -> list[str]:
    """Return the command that runs a Python module in this environment."""
    return [str(venv_bin() / "python"), "-m", *words]
