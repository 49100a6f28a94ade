"""Compares what is installed with what the project pins: Python packages and jars."""

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from millrace.doctor.finding import Finding
from millrace.settings import ROOT, Settings

_PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^ ;\\]+)([^\\]*)")
_NAMED = 4


def look(settings: Settings) -> list[Finding]:
    """Return the findings about packages and jars."""
    return [
        _packages((ROOT / "requirements" / "core.txt").read_text()),
        _jars(wanted_jars((ROOT / "pom.xml").read_text()), settings.jars),
    ]


def pins(lock: str) -> dict[str, str]:
    """Return name and version of every package a lock file pins for this platform."""
    found = (_PIN.match(line) for line in lock.splitlines())
    return {match[1]: match[2] for match in found if match and "win32" not in match[3]}


def _packages(lock: str) -> Finding:
    wanted = pins(lock)
    wrong = [
        f"{name} {_installed(name)} instead of {pin}"
        for name, pin in wanted.items()
        if _installed(name) != pin
    ]
    found = _shortened(wrong) or f"{len(wanted)} as pinned"
    return Finding(name="packages", ok=not wrong, found=found, mend="Run `make setup`.")


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"


def wanted_jars(pom: str) -> list[str]:
    """Return the file names of the jars a pom names, versions filled in."""
    root = ElementTree.fromstring(re.sub(r'\sxmlns="[^"]+"', "", pom))
    properties = {f"${{{entry.tag}}}": entry.text or "" for entry in root.find("properties") or []}
    artifacts = [*root.iter("artifactItem"), *root.iterfind("dependencies/dependency")]
    named = ((item.findtext("artifactId", ""), item.findtext("version", "")) for item in artifacts)
    return [f"{name}-{properties.get(pin, pin)}.jar" for name, pin in named]


def _jars(wanted: list[str], folder: Path) -> Finding:
    present = {jar.name for jar in folder.glob("*/*.jar")}
    missing = [name for name in wanted if name not in present]
    found = f"missing {_shortened(missing)}" if missing else f"{len(wanted)} as pinned"
    return Finding(name="jars", ok=not missing, found=found, mend="Run `make setup`.")


def _shortened(items: Iterable[str]) -> str:
    named = list(items)
    more = f" and {len(named) - _NAMED} more" if len(named) > _NAMED else ""
    return ", ".join(named[:_NAMED]) + more
