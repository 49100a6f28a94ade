"""Services of a test's own: a few of a stack's, in a folder and on ports of their own, ready for use."""

import atexit
import itertools
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from confluent_kafka import Consumer, KafkaException, TopicPartition

from catalog.migrations import connect, migrate
from jobs.runtime.topics import create_topics
from millrace.contracts import topics
from millrace.secrets import load_secrets
from millrace.settings import ROOT, Settings
from millrace.stack.discovery import services
from millrace.stack.occupancy import is_free

PATIENCE_S = 90.0
_END_PATIENCE_S = 15.0
# Which of the processes that share the tests this is.
WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
# Each process has ports of its own, and takes the next ones each time: a client that outlived its services
# must not find those of another test.
_OFFSETS = range(8_000 + 2_400 * WORKER, 9_500 + 2_400 * WORKER, 100)
_next_offsets = itertools.cycle(_OFFSETS)
# To make an empty database or log takes seconds: each process makes one and copies it.
_COSTLY = ("postgres", "kafka")


@contextmanager
def own_services(home: Path, stack: str, *names: str) -> Iterator[Settings]:
    """Start services, with the registry's tables and all topics where they belong; end them at the end."""
    (home / "jars").symlink_to(ROOT / ".millrace" / "jars")
    config = _with_room(home, stack, names)
    _lay_out(config, names)
    with ExitStack() as ends:
        for name in names:
            ends.callback(end, start(config, name), services()[name].stop_signal)
        until(lambda: all(services()[name].ready(config) for name in names))
        if "postgres" in names:
            with connect(config) as connection:
                migrate(connection)
        if "kafka" in names:
            create_topics(config.address("kafka"))
            until(lambda: _have_leaders(config))
        yield config


def _with_room(home: Path, stack: str, names: Sequence[str]) -> Settings:
    for offset in itertools.islice(_next_offsets, len(_OFFSETS)):
        config = Settings(stack=stack, home=home, port_offset=offset, tenant="demo")
        ports = [config.port(port) for name in names for port in services()[name].ports]
        if all(is_free(config.bind_host, port) for port in ports):
            return config
    raise RuntimeError(f"all ports are taken, up to offset {_OFFSETS[-1]}")


@cache
def _made() -> Path:
    folder = Path(mkdtemp(prefix="millrace-made-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _lay_out(config: Settings, names: Sequence[str]) -> None:
    made = _made()
    config.folder.mkdir(parents=True, exist_ok=True)
    if not (made / "secrets.json").exists():
        load_secrets(config)
        _copy(config.folder / "secrets.json", made)
    # What opens a copy is what opened the first.
    _copy(made / "secrets.json", config.folder)
    for name in filter(_COSTLY.__contains__, names):
        if not (made / name).exists():
            services()[name].prepare(config)
            _copy(config.folder / name, made)
        else:
            _copy(made / name, config.folder)


def _copy(made: Path, folder: Path) -> None:
    """Copy with owner and mode, which PostgreSQL insists on."""
    subprocess.run(["cp", "-a", made, folder], check=True)


def _have_leaders(config: Settings) -> bool:
    consumer = Consumer({"bootstrap.servers": config.address("kafka"), "group.id": "look"})
    places = [TopicPartition(name, p) for name, topic in topics().items() for p in range(topic.partitions)]
    try:
        return all(consumer.get_watermark_offsets(place, timeout=5) for place in places)
    except KafkaException:
        return False
    finally:
        consumer.close()


def start(config: Settings, name: str) -> subprocess.Popen[bytes]:
    """Start one service of the stack."""
    service = services()[name]
    service.prepare(config)
    environment = os.environ | config.environment() | {"MILLRACE_TENANT": config.tenant}
    with (config.home / f"{name}.log").open("ab") as log:
        return subprocess.Popen(
            list(service.command(config)), env=environment, stdout=log, stderr=log, cwd=ROOT
        )


def end(process: subprocess.Popen[bytes], stop_signal: str = "TERM") -> None:
    """End a service that was started here."""
    # Java ignores INT where this process does, as one does in the background of a shell.
    process.send_signal(signal.Signals[f"SIG{stop_signal}"])
    try:
        process.wait(_END_PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def until(condition: Callable[[], bool], patience_s: float = PATIENCE_S) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)
