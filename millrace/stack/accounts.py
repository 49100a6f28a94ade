"""Runs a service under its own account when Millrace itself runs as root."""

import os
import pwd
import shutil
from pathlib import Path

from millrace.stack.places import tool

# Lets the account reach a checkout below a closed home folder; Linux numbers of the capabilities.
_CAPABILITIES = {"dac_override": 1, "dac_read_search": 2}


def account(name: str) -> str | None:
    """Return the account to run as: `name` when we are root and it exists, else none."""
    if os.geteuid() != 0:
        return None
    try:
        pwd.getpwnam(name)
    except KeyError:
        return None
    return name


def run_as(name: str, command: list[str]) -> list[str]:
    """Prefix a command so that it runs under `name`; unchanged when we are not root."""
    if account(name) is None:
        return command
    kept = ",".join(f"+{capability}" for capability in _grantable())
    capabilities = [f"--inh-caps={kept}", f"--ambient-caps={kept}"] if kept else []
    group = str(pwd.getpwnam(name).pw_gid)
    identity = [f"--reuid={name}", f"--regid={group}", "--clear-groups"]
    return [tool("setpriv"), *identity, *capabilities, "--", *command]


def _grantable() -> list[str]:
    status = Path("/proc/self/status").read_text()
    bounding = next(line for line in status.splitlines() if line.startswith("CapBnd:"))
    mask = int(bounding.split()[1], 16)
    return [name for name, number in _CAPABILITIES.items() if mask & (1 << number)]


def give(path: Path, name: str) -> None:
    """Hand a file or folder to an account, so that the service may write it; nothing when not root."""
    if account(name) is not None:
        shutil.chown(path, user=name, group=pwd.getpwnam(name).pw_gid)


def private_file(path: Path, text: str, owner: str) -> None:
    """Write a file only its owner can read, closed from the first byte on."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    give(path, owner)


def private_folder(path: Path, owner: str) -> Path:
    """Create a folder only its owner can enter."""
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    give(path, owner)
    return path
