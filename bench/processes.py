"""CPU seconds of every process of a stack, by role."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import psutil

MILLRACE = str(Path(sys.executable).parent / "millrace")


def cpu_seconds() -> Counter[str]:
    """Return user + system seconds so far of each service and its children; Python workers stand apart."""
    status = subprocess.run([MILLRACE, "status", "--json"], capture_output=True, text=True, check=True)
    found: Counter[str] = Counter()
    for service in json.loads(status.stdout):
        if service["pid"]:
            found.update(_tree_seconds(service["name"], service["pid"]))
    return found


def _tree_seconds(name: str, pid: int) -> Counter[str]:
    found: Counter[str] = Counter()
    root = psutil.Process(pid)
    for process in [root, *root.children(recursive=True)]:
        worker = name == "taskmanager" and "python" in process.name()
        times = process.cpu_times()
        found["python workers" if worker else name] += times.user + times.system
    return found
