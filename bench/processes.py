"""The processes of a stack: their CPU seconds by role, and the end of one."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import psutil

from millrace.errors import MillraceError

MILLRACE = str(Path(sys.executable).parent / "millrace")


def cpu_seconds() -> Counter[str]:
    """Return user + system seconds so far of each service and its children; Python workers stand apart."""
    found: Counter[str] = Counter()
    for name, pid in pids().items():
        found.update(_tree_seconds(name, pid))
    return found


def pids() -> dict[str, int]:
    """Return the process of each service that runs."""
    status = subprocess.run([MILLRACE, "status", "--json"], capture_output=True, text=True, check=False)
    return {one["name"]: int(one["pid"]) for one in json.loads(status.stdout) if one["pid"]}


def kill(name: str) -> int:
    """End a service with SIGKILL; return the process it was. MillraceError when it does not run."""
    pid = pids().get(name)
    if pid is None:
        raise MillraceError(f"{name} does not run", where="millrace status", mend="Start it: millrace up.")
    os.kill(pid, signal.SIGKILL)
    return pid


def _tree_seconds(name: str, pid: int) -> Counter[str]:
    found: Counter[str] = Counter()
    root = psutil.Process(pid)
    for process in [root, *root.children(recursive=True)]:
        try:
            worker = name == "taskmanager" and "python" in process.name()
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            # A worker of a job that stops just now.
            continue
        found["python workers" if worker else name] += times.user + times.system
    return found
