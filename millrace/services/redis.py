"""Redis: the live cache, rebuilt from Kafka and Iceberg when lost."""

from millrace.secrets import load_secrets
from millrace.settings import Settings
from millrace.stack.accounts import private_file, private_folder, run_as
from millrace.stack.places import tool
from millrace.stack.probes import redis_answers
from millrace.stack.service import Service

_ACCOUNT = "redis"


def configuration(settings: Settings) -> str:
    """Return redis.conf; it holds the password and must stay private."""
    return f"""\
bind {settings.bind_host}
port {settings.port("redis")}
requirepass {load_secrets(settings).redis.get_secret_value()}
dir {settings.folder / "redis"}
daemonize no
set-proc-title no
save ""
appendonly yes
appendfsync everysec
auto-aof-rewrite-percentage 100
auto-aof-rewrite-min-size 64mb
maxmemory {settings.redis.max_memory}
maxmemory-policy noeviction
tcp-keepalive 60
"""


def _prepare(settings: Settings) -> None:
    private_folder(settings.folder / "redis", _ACCOUNT)
    private_file(settings.folder / "redis" / "redis.conf", configuration(settings), _ACCOUNT)


def _command(settings: Settings) -> list[str]:
    return run_as(_ACCOUNT, [tool("redis-server"), str(settings.folder / "redis" / "redis.conf")])


SERVICE = Service(
    name="redis",
    about="Redis cache",
    command=_command,
    prepare=_prepare,
    ready=redis_answers,
    ports=("redis",),
    scheme="redis",
    tools=("redis-server",),
)
