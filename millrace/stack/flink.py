"""Lays out a Flink home for one stack: configuration, class path, variables."""

import re
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from math import ceil
from pathlib import Path
from typing import Any

import yaml

from millrace.bucket.jars import require_jars, s3_jars
from millrace.errors import MillraceError
from millrace.settings import ROOT, Settings
from millrace.stack.places import java_home, logs, venv_bin

_LOGGING = """\
rootLogger.level = INFO
rootLogger.appenderRef.console.ref = Console
logger.pekko.name = org.apache.pekko
logger.pekko.level = WARN
appender.console.name = Console
appender.console.type = CONSOLE
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{yyyy-MM-dd HH:mm:ss,SSS} %-5p %c{1.} %x - %m%n
"""


@cache
def home() -> Path:
    """Return the Flink distribution inside the PyFlink package."""
    spec = find_spec("pyflink")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("pyflink")
    return Path(spec.origin).parent


def folder(settings: Settings) -> Path:
    """Return where a stack keeps Flink's configuration, checkpoints and scratch files."""
    return settings.folder / "flink"


def configuration(settings: Settings) -> dict[str, Any]:
    """Return config.yaml as flat keys."""
    flink, host, python = settings.flink, settings.bind_host, str(venv_bin() / "python")
    return (
        {
            "env.java.opts.all": _java_options(),
            "env.java.home": str(java_home()),
            "jobmanager.rpc.address": host,
            "jobmanager.rpc.port": settings.port("flink_rpc"),
            "jobmanager.bind-host": host,
            "jobmanager.memory.process.size": flink.jobmanager_memory,
            "jobmanager.execution.failover-strategy": "region",
            "rest.address": host,
            "rest.bind-address": host,
            "rest.port": settings.port("flink_rest"),
            "taskmanager.host": host,
            "taskmanager.bind-host": host,
            "taskmanager.numberOfTaskSlots": slots(flink.parallelism),
            "taskmanager.memory.process.size": flink.taskmanager_memory,
            "taskmanager.memory.managed.fraction": 0.2,
            "parallelism.default": flink.parallelism,
            "io.tmp.dirs": str(folder(settings) / "scratch"),
            # Batch-like heaps on few cores: the parallel collector costs the stream less than G1 (ADR 0004).
            "env.java.opts.taskmanager": "-XX:+UseParallelGC",
            # The JobManager computes little: with the quick compiler alone it is up in half the time.
            "env.java.opts.jobmanager": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
            "metrics.fetcher.update-interval": 1000,
            # A TaskManager that comes up before its JobManager tries again at once, not after 10 s.
            "cluster.registration.error-delay": "500 ms",
            "restart-strategy.type": "exponential-delay",
            "restart-strategy.exponential-delay.initial-backoff": "1 s",
            "restart-strategy.exponential-delay.max-backoff": "30 s",
            "python.executable": python,
            "python.client.executable": python,
        }
        | _state_memory(flink.taskmanager_memory)
        | _checkpointing(settings)
    )


def slots(parallelism: int) -> int:
    """Return how many subtasks the jobs have at most: one job for each source they declare, by its share."""
    files = (ROOT / "jobs" / "runtime" / "sql").glob("*.sql")
    openings = (path.read_text().partition("*/")[0].partition("\n") for path in files)
    headers = (yaml.safe_load(text) for kind, _, text in openings if kind == "/* source")
    return sum(ceil(parallelism * header.get("share", 1.0)) for header in headers)


def _state_memory(taskmanager_memory: str) -> dict[str, Any]:
    """Give RocksDB an eighth of the TaskManager, in one piece for all slots.

    Slots share managed memory in equal parts; but the readings job needs nearly all of it, and the slots
    of the others would keep theirs idle.
    """
    size = re.fullmatch(r"(\d+)([mg])", taskmanager_memory)
    if not size:
        raise MillraceError(
            f"{taskmanager_memory!r} is no size", where="environment", mend="Write 3g or 2048m."
        )
    share = f"{int(size[1]) * {'m': 1, 'g': 1024}[size[2]] // 8}m"
    return {
        "state.backend.rocksdb.memory.managed": False,
        "state.backend.rocksdb.memory.fixed-per-tm": share,
        "taskmanager.memory.task.off-heap.size": share,
    }


def _checkpointing(settings: Settings) -> dict[str, Any]:
    return {
        "state.backend.type": "rocksdb",
        "execution.checkpointing.incremental": True,
        "execution.checkpointing.interval": f"{settings.flink.checkpoint_interval_ms} ms",
        "execution.checkpointing.mode": "EXACTLY_ONCE",
        "execution.checkpointing.dir": (folder(settings) / "checkpoints").as_uri(),
        "execution.checkpointing.savepoint-dir": (folder(settings) / "savepoints").as_uri(),
        "execution.checkpointing.externalized-checkpoint-retention": "RETAIN_ON_CANCELLATION",
        "execution.checkpointing.num-retained": 3,
    }


def _java_options() -> str:
    wheel = yaml.safe_load((home() / "conf" / "config.yaml").read_text())
    return f"{wheel['env']['java']['opts']['all']} -XX:-UsePerfData"


def lay_out(settings: Settings) -> None:
    """Write the configuration and make the folders; harmless while Flink runs."""
    conf = folder(settings) / "conf"
    for place in (
        conf,
        *(folder(settings) / name for name in ("scratch", "checkpoints", "savepoints", "run")),
    ):
        place.mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump(configuration(settings), sort_keys=False, width=4096)
    _replace(conf / "config.yaml", text)
    _replace(conf / "log4j-console.properties", _LOGGING)
    require_jars(settings)
    link_jars(settings)


def _replace(path: Path, text: str) -> None:
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


def link_jars(settings: Settings) -> None:
    """Gather Flink's own jars and ours in one folder of links; shared by all stacks."""
    target = settings.jars / "flink-lib"
    target.mkdir(parents=True, exist_ok=True)
    jars = [*(home() / "lib").glob("*.jar"), *(home() / "opt").glob("flink-python-*.jar")]
    wanted = {jar.name: jar for jar in [*jars, *(settings.jars / "flink").glob("*.jar"), *s3_jars(settings)]}
    for link in target.iterdir():
        if link.name not in wanted or link.resolve() != wanted[link.name].resolve():
            link.unlink(missing_ok=True)
    for name, jar in wanted.items():
        # JobManager, TaskManager and a second stack may link at the same moment.
        with suppress(FileExistsError):
            (target / name).symlink_to(jar)


def variables(settings: Settings) -> Mapping[str, str]:
    """Return the environment of Flink's own scripts."""
    return {
        "FLINK_HOME": str(home()),
        "FLINK_CONF_DIR": str(folder(settings) / "conf"),
        "FLINK_LIB_DIR": str(settings.jars / "flink-lib"),
        "FLINK_LOG_DIR": str(logs(settings)),
        "FLINK_PID_DIR": str(folder(settings) / "run"),
        "FLINK_IDENT_STRING": settings.stack,
    }


def script(name: str) -> list[str]:
    """Return the command that runs one of Flink's scripts in the foreground."""
    return [str(home() / "bin" / name), "start-foreground"]
