"""Talks to supervisord, which keeps a stack's processes alive."""

import os
import resource
import subprocess
import time
import xmlrpc.client
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any

from supervisor.xmlrpc import SupervisorTransport

from millrace.errors import MillraceError
from millrace.secrets import load_secrets
from millrace.settings import ROOT, Settings
from millrace.stack import places
from millrace.stack.leftovers import reap
from millrace.stack.service import Service

_USER = "millrace"
_FILES_WANTED = 65_536
_INHERITED = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ", "TMPDIR")
_START_PATIENCE_S = 15.0


@dataclass(frozen=True)
class Process:
    """What supervisord knows about one service; `uptime_s` is 0 when it does not run."""

    name: str
    state: str
    pid: int
    uptime_s: int
    exit_note: str

    @property
    def is_running(self) -> bool:
        """Tell whether the process runs or is just coming up."""
        return self.state in {"RUNNING", "STARTING"}


def configuration(settings: Settings, services: Iterable[Service]) -> str:
    """Return supervisord.conf; it holds the control password and must stay private."""
    password = load_secrets(settings).supervisor.get_secret_value()
    socket = places.supervisor_socket(settings)
    head = f"""\
[unix_http_server]
file={socket}
chmod=0600
username={_USER}
password={password}

[supervisord]
pidfile={places.supervisor_pid_file(settings)}
logfile={places.log_file(settings, "supervisord")}
logfile_maxbytes=5MB
logfile_backups=2
childlogdir={places.logs(settings)}
directory={ROOT}
identifier=millrace-{settings.stack}
minfds={_file_limit()}
silent=true

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface

[supervisorctl]
serverurl=unix://{socket}
username={_USER}
password={password}
"""
    return head + "".join(_program(settings, service) for service in services)


def _program(settings: Settings, service: Service) -> str:
    command = " ".join(_quoted(word) for word in service.command(settings))
    return f"""
[program:{service.name}]
command={command}
environment={_environment(_variables(settings, service))}
autostart=false
autorestart=true
startsecs=1
startretries=30
stopsignal={service.stop_signal}
stopwaitsecs={service.stop_wait_s}
stopasgroup=true
killasgroup=true
redirect_stderr=true
stdout_logfile={places.log_file(settings, service.name)}
stdout_logfile_maxbytes=10MB
stdout_logfile_backups=3
"""


def _variables(settings: Settings, service: Service) -> Mapping[str, str]:
    # Not the caller's PATH: `up` from another shell must not look like a change of configuration.
    path = os.pathsep.join([str(places.venv_bin()), f"{places.java_home()}/bin", *places.SYSTEM_PATH])
    common = {"PATH": path, "PYTHONUNBUFFERED": "1", "JAVA_HOME": str(places.java_home())}
    return {**common, **settings.environment(), **service.environment(settings)}


def variables(settings: Settings, service: Service) -> dict[str, str]:
    """Return the whole environment of a step that runs outside supervisord."""
    return {**os.environ, **_variables(settings, service)}


def _quoted(word: str) -> str:
    escaped = word.replace("%", "%%").replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _environment(pairs: Mapping[str, str]) -> str:
    return ",".join(f"{name}={_enclosed(name, value)}" for name, value in sorted(pairs.items()))


def _enclosed(name: str, value: str) -> str:
    # supervisord knows both quotation marks here, but no way to escape one.
    mark = "'" if '"' in value else '"'
    if mark in value or "\n" in value:
        raise MillraceError(f"variable {name} mixes both quotation marks", mend="Write it with one kind.")
    return f"{mark}{value.replace('%', '%%')}{mark}"


def _file_limit() -> int:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return _FILES_WANTED if hard == resource.RLIM_INFINITY else min(hard, _FILES_WANTED)


class Supervisor:
    """One stack's supervisord; every call opens its own connection, so threads may share it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._password = load_secrets(settings).supervisor.get_secret_value()

    def _call(self, method: str, *arguments: Any) -> Any:
        address = f"unix://{places.supervisor_socket(self._settings)}"
        transport: Any = SupervisorTransport(_USER, self._password, address)
        try:
            proxy = xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport)
            return getattr(proxy.supervisor, method)(*arguments)
        finally:
            transport.close()

    def is_running(self) -> bool:
        """Tell whether supervisord answers."""
        try:
            return bool(self._call("getState")["statename"] == "RUNNING")
        except (OSError, HTTPException, xmlrpc.client.Error):
            return False

    def ensure(self, services: Iterable[Service]) -> None:
        """Start supervisord, or make the running one take the configuration."""
        self._write(services)
        if self.is_running():
            self._reload()
        else:
            reap(self._settings)
            self._launch()

    def _write(self, services: Iterable[Service]) -> None:
        places.logs(self._settings).mkdir(parents=True, exist_ok=True)
        path = self._settings.folder / "supervisord.conf"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(configuration(self._settings, services))

    def _launch(self) -> None:
        places.supervisor_socket(self._settings).unlink(missing_ok=True)
        conf = self._settings.folder / "supervisord.conf"
        command = [str(places.venv_bin() / "python"), "-m", "supervisor.supervisord", "-c", str(conf)]
        # Not the caller's variables: what a shell or a test has set must not reach the services.
        kept = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        result = subprocess.run(
            command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, env=kept
        )
        deadline = time.monotonic() + _START_PATIENCE_S
        while not self.is_running():
            if result.returncode or time.monotonic() > deadline:
                said = (result.stderr or result.stdout).strip().splitlines()
                raise MillraceError(
                    f"supervisord did not start: {said[-1] if said else 'it said nothing'}",
                    where=str(places.log_file(self._settings, "supervisord")),
                    mend="`millrace doctor` checks the environment.",
                )
            time.sleep(0.05)

    def _reload(self) -> None:
        added, changed, removed = self._call("reloadConfig")[0]
        for name in [*changed, *removed]:
            self.stop(name)
            self._call("removeProcessGroup", name)
        for name in [*added, *changed]:
            self._call("addProcessGroup", name)

    def processes(self) -> dict[str, Process]:
        """Return every known process by name."""
        return {entry["name"]: _process(entry) for entry in self._call("getAllProcessInfo")}

    def process(self, name: str) -> Process:
        """Return one process."""
        return _process(self._call("getProcessInfo", name))

    def start(self, name: str) -> None:
        """Start a process without waiting for it; one that runs already is left alone."""
        if not self.process(name).is_running:
            self._call("startProcess", name, False)

    def stop(self, name: str) -> None:
        """Stop a process and its group, and wait until it is gone."""
        try:
            self._call("stopProcess", name, True)
        except xmlrpc.client.Fault:
            if self.process(name).is_running:
                raise

    def pid(self) -> int:
        """Return supervisord's own process id."""
        return int(self._call("getPID"))

    def shutdown(self) -> None:
        """Stop supervisord itself."""
        self._call("shutdown")


def _process(entry: dict[str, Any]) -> Process:
    state, pid = entry["statename"], int(entry["pid"])
    uptime_s = max(0, int(entry["now"]) - int(entry["start"])) if pid else 0
    return Process(entry["name"], state, pid, uptime_s, entry["spawnerr"])
