"""The runner on real processes: what it starts answers, what dies comes back, what it stops is gone."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from millrace.settings import Settings
from millrace.stack.leftovers import is_alive
from millrace.stack.occupancy import is_free
from millrace.stack.places import supervisor_pid_file, supervisor_socket

pytestmark = [pytest.mark.integration, pytest.mark.stack]

OFFSETS = range(6100, 6900, 40)
QUICK = ["redis", "mosquitto", "postgres"]
PATIENCE_S = 30.0


class Stack:
    """A small stack of its own, driven through the command line like a person would."""

    def __init__(self, home: Path, name: str = "lifecycle", offset: int | None = None) -> None:
        self.settings = Settings(stack=name, home=home, port_offset=offset or free_offset())

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "millrace.cli", *words]
        environment = os.environ | self.settings.environment()
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    def states(self) -> dict[str, tuple[str, int | None]]:
        rows = json.loads(self.run("status", "--json").stdout)
        return {row["name"]: (row["state"], row["pid"]) for row in rows}

    def pids(self) -> list[int]:
        return [pid for _, pid in self.states().values() if pid is not None]


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Stack]:
    stack = Stack(tmp_path)
    yield stack
    stack.run("down", "--wipe")


def free_offset() -> int:
    """Find an offset at which none of the quick services' ports is taken."""
    for offset in OFFSETS:
        shifted = Settings(port_offset=offset)
        if all(is_free("127.0.0.1", shifted.port(name)) for name in ("redis", "mqtt", "postgres")):
            return offset
    raise RuntimeError("every offset is taken")


def eventually(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def test_up_starts_what_is_asked_for_and_a_second_up_leaves_it_alone(small: Stack) -> None:
    assert small.run("up", *QUICK).returncode == 0
    before = small.states()
    assert {name for name, (state, _) in before.items() if state == "running"} == set(QUICK)
    again = small.run("up", *QUICK)
    assert again.returncode == 0
    assert again.stderr.count("was running") == len(QUICK)
    assert small.states() == before


def test_up_of_one_service_leaves_the_others_alone_whatever_the_shell(small: Stack) -> None:
    small.run("up", "redis")
    before = small.states()["redis"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"/nowhere:{os.environ['PATH']}")
        assert small.run("up", "mosquitto").returncode == 0
    assert small.states()["redis"] == before


def test_a_changed_setting_takes_effect_at_the_next_up(small: Stack) -> None:
    small.run("up", "redis")
    before = small.states()["redis"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MILLRACE_REDIS__MAX_MEMORY", "33mb")
        assert small.run("up", "redis").returncode == 0
    assert small.states()["redis"] != before
    assert "maxmemory 33mb" in (small.settings.folder / "redis" / "redis.conf").read_text()


def test_a_killed_service_comes_back(small: Stack) -> None:
    small.run("up", "redis")
    _, pid = small.states()["redis"]
    assert pid is not None
    psutil.Process(pid).kill()
    assert eventually(lambda: small.states()["redis"] not in {("running", pid), ("stopped", None)})
    assert small.run("up", "redis").returncode == 0


def test_down_leaves_no_process_socket_or_pid_file_but_keeps_the_state(small: Stack) -> None:
    small.run("up", *QUICK)
    pids = small.pids()
    supervisor = int(supervisor_pid_file(small.settings).read_text())
    assert len(pids) == len(QUICK)
    assert small.run("down").returncode == 0
    assert not [pid for pid in [*pids, supervisor] if is_alive(pid)]
    assert not supervisor_socket(small.settings).exists()
    assert not supervisor_pid_file(small.settings).exists()
    assert (small.settings.folder / "postgres" / "PG_VERSION").exists()
    assert small.run("down").returncode == 0


def test_a_killed_supervisor_leaves_nothing_that_up_or_down_cannot_clear(small: Stack) -> None:
    small.run("up", "redis")
    _, orphan = small.states()["redis"]
    psutil.Process(int(supervisor_pid_file(small.settings).read_text())).kill()
    assert orphan is not None
    assert is_alive(orphan)
    assert small.run("up", "redis").returncode == 0
    assert not is_alive(orphan)
    assert small.states()["redis"][0] == "running"


def test_a_taken_port_is_one_sentence_with_port_holder_and_setting(small: Stack, tmp_path: Path) -> None:
    neighbour = Stack(tmp_path, "neighbour", small.settings.port_offset)
    try:
        assert neighbour.run("up", "redis").returncode == 0
        refused = small.run("up", "redis")
    finally:
        neighbour.run("down", "--wipe")
    assert refused.returncode == 1
    assert f"port {small.settings.port('redis')}" in refused.stderr
    assert "redis-server" in refused.stderr
    assert "MILLRACE_PORTS__REDIS" in refused.stderr


def test_a_service_that_cannot_start_shows_its_last_words(small: Stack) -> None:
    small.settings.folder.mkdir(parents=True)
    # A file where Redis wants its data folder's content.
    (small.settings.folder / "redis").mkdir()
    (small.settings.folder / "redis" / "appendonlydir").write_text("in the way")
    refused = small.run("up", "redis")
    assert refused.returncode == 1
    assert "appendonlydir" in refused.stderr
    assert "millrace logs redis" in refused.stderr


def test_two_stacks_run_side_by_side(small: Stack, tmp_path: Path) -> None:
    assert small.run("up", "redis").returncode == 0
    other = Stack(tmp_path, "other")
    try:
        assert other.run("up", "redis").returncode == 0
        assert small.states()["redis"][1] != other.states()["redis"][1]
        other.run("down")
        assert small.states()["redis"][0] == "running"
    finally:
        other.run("down", "--wipe")


def test_mosquitto_lets_a_tenant_write_only_its_own_topics(small: Stack) -> None:
    assert small.run("up", "mosquitto").returncode == 0
    secrets = json.loads((small.settings.folder / "secrets.json").read_text())
    heard = _subscribe(small.settings, secrets["mqtt_gateway"])
    token = secrets["tenant_tokens"]["demo"]
    time.sleep(0.5)
    for topic in ("t/other/pump/telemetry", "t/demo/pump/command", "t/demo/pump/telemetry"):
        _publish(small.settings, token, topic)
    assert heard.communicate(timeout=10)[0].split() == ["t/demo/pump/telemetry"]
    assert _publish(small.settings, "wrong", "t/demo/pump/telemetry").returncode != 0


def _client(settings: Settings, program: str, user: str, password: str) -> list[str]:
    address = ["-h", settings.bind_host, "-p", str(settings.port("mqtt"))]
    return [program, *address, "-u", user, "-P", password, "-V", "mqttv5", "-q", "1"]


def _subscribe(settings: Settings, password: str) -> subprocess.Popen[str]:
    command = _client(settings, "mosquitto_sub", "gateway", password)
    shared = [*command, "-t", "$share/gateway/t/#", "-F", "%t", "-W", "3"]
    return subprocess.Popen(shared, stdout=subprocess.PIPE, text=True)


def _publish(settings: Settings, password: str, topic: str) -> subprocess.CompletedProcess[bytes]:
    command = _client(settings, "mosquitto_pub", "demo", password)
    return subprocess.run([*command, "-t", topic, "-m", "{}"], check=False, capture_output=True)
