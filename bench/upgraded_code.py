"""A copy of the code with a changed sessions job: one more field in a device's state, and its use.

The new code counts the readings it saw of each device and tells the number with each offline event.
"""

import ast
import shutil
import sys
from pathlib import Path
from typing import NamedTuple

from millrace.errors import MillraceError
from millrace.settings import ROOT

PACKAGES = ("millrace", "udfs", "catalog", "jobs", "schemas")
FIELD = "readings_seen"
_USE = f'''

_advance_as_before = advance


def advance(shard: Shard, activities: list[Activity], *others: object) -> list[Change]:
    """Do as before, and count the readings of each device for its offline event."""
    changes = _advance_as_before(shard, activities, *others)
    for activity in activities:
        if activity.owner in shard.devices:
            shard.devices[activity.owner].{FIELD} += activity.readings
    return [_with_count(shard, change) for change in changes]


def _with_count(shard: Shard, change: Change) -> Change:
    if not hasattr(change, "details") or change.type != "offline":
        return change
    device = shard.devices.get(f"{{change.tenant}}/{{change.device_id}}")
    seen = device.{FIELD} if device else 0
    return change._replace(details=change.details | {{"{FIELD}": str(seen)}})
'''


class UpgradedCode(NamedTuple):
    """Where the copy lies, and an interpreter that runs it wherever it is started."""

    folder: Path
    python: Path


def upgrade(folder: Path) -> UpgradedCode:
    """Copy the code into an empty folder and change it; MillraceError when it no longer looks as expected."""
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    python = _interpreter(folder)
    _add_field(folder / "udfs" / "device_state.py")
    with (folder / "udfs" / "presence.py").open("a") as file:
        file.write(_USE)
    _replace(
        folder / "jobs" / "runtime" / "environment.py",
        '"python.executable": sys.executable,',
        f'"python.executable": "{python}",',
    )
    return UpgradedCode(folder, python)


def _interpreter(folder: Path) -> Path:
    # Python looks in the working folder first: a worker of the cluster would find the code that runs there.
    path = folder / "bin" / "python"
    path.parent.mkdir()
    path.write_text(f'#!/bin/sh\ncd "{folder}" && PYTHONPATH="{folder}" exec "{sys.executable}" "$@"\n')
    path.chmod(0o755)
    return path


def _add_field(path: Path) -> None:
    source = path.read_text()
    [device] = [
        node for node in ast.parse(source).body if isinstance(node, ast.ClassDef) and node.name == "Device"
    ]
    last = max(node.end_lineno or 0 for node in device.body if isinstance(node, ast.AnnAssign))
    lines = source.splitlines()
    lines.insert(last, f"    {FIELD}: int = 0")
    path.write_text("\n".join(lines) + "\n")


def _replace(path: Path, old: str, new: str) -> None:
    source = path.read_text()
    if source.count(old) != 1:
        raise MillraceError(
            f"{old!r} stands there {source.count(old)} times, once was expected",
            where=str(path),
            mend="Teach bench/upgraded_code.py how the code looks now.",
        )
    path.write_text(source.replace(old, new))
