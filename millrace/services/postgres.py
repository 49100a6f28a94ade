"""PostgreSQL: the registry and Iceberg's catalog."""

import subprocess
from pathlib import Path

from millrace.errors import MillraceError
from millrace.secrets import load_secrets
from millrace.settings import Settings
from millrace.stack.accounts import private_file, private_folder, run_as
from millrace.stack.places import tool
from millrace.stack.probes import postgres_answers
from millrace.stack.service import Service

_ACCOUNT = "postgres"
_USER = "millrace"
_DATABASES = ("catalog", "millrace")


def configuration(settings: Settings) -> str:
    """Return postgresql.conf: TCP on the stack's host only, no Unix socket."""
    return f"""\
listen_addresses = '{settings.bind_host}'
port = {settings.port("postgres")}
unix_socket_directories = ''
password_encryption = scram-sha-256
max_connections = 200
shared_buffers = 64MB
dynamic_shared_memory_type = posix
timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] %u@%d '
"""


def access_rules() -> str:
    """Return pg_hba.conf: one user, by password."""
    return f"host all {_USER} all scram-sha-256\n"


def _folder(settings: Settings) -> Path:
    return settings.folder / "postgres"


def _prepare(settings: Settings) -> None:
    folder = _folder(settings)
    private_folder(folder, _ACCOUNT)
    if not (folder / "millrace-ready").exists():
        _create(settings)
    private_file(folder / "postgresql.conf", configuration(settings), _ACCOUNT)
    private_file(folder / "pg_hba.conf", access_rules(), _ACCOUNT)


def _create(settings: Settings) -> None:
    folder = str(_folder(settings))
    init = [tool("initdb"), "-D", folder, "-U", "postgres", "--auth=reject", "--encoding=UTF8"]
    _run([*init, "--locale=C.UTF-8", "--no-sync", "--no-instructions"], "")
    password = load_secrets(settings).postgres.get_secret_value()
    # Single-user mode needs no password for the superuser, so there is none anywhere.
    statements = [f"CREATE ROLE {_USER} LOGIN PASSWORD '{password}'"]
    statements += [f"CREATE DATABASE {name} OWNER {_USER}" for name in _DATABASES]
    _run([tool("postgres"), "--single", "-j", "-D", folder, "postgres"], ";\n\n".join(statements) + ";\n\n")
    private_file(_folder(settings) / "millrace-ready", "", _ACCOUNT)


def _run(command: list[str], text: str) -> None:
    result = subprocess.run(
        run_as(_ACCOUNT, command), input=text, capture_output=True, text=True, check=False, cwd="/"
    )
    if result.returncode or "ERROR:" in result.stderr:
        raise MillraceError(
            f"{Path(command[0]).name} failed: {result.stderr.strip()[-500:]}",
            mend="`millrace down --wipe` starts afresh.",
        )


def _command(settings: Settings) -> list[str]:
    return run_as(_ACCOUNT, [tool("postgres"), "-D", str(_folder(settings))])


def _ready(settings: Settings) -> bool:
    return all(postgres_answers(settings, database) for database in _DATABASES)


SERVICE = Service(
    name="postgres",
    about="PostgreSQL",
    command=_command,
    prepare=_prepare,
    ready=_ready,
    ports=("postgres",),
    scheme="postgresql",
    tools=("postgres", "initdb"),
    # Fast shutdown: TERM would wait until the last client has gone.
    stop_signal="INT",
)
