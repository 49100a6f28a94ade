"""Redis of the API's tests and the API in front of it; plants whose readings come late."""

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from fastapi.testclient import TestClient
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from api.app import create_app
from api.dependencies import current_time_ms
from millrace.clock import from_iso
from millrace.secrets import load_secrets
from millrace.settings import Ports, Settings
from millrace.stack.occupancy import is_free
from tests.integration.late_plant import LatePlant
from tests.integration.own_services import own_services
from udfs.hot_series import Pane, device_key, devices_key, pack, series_key, slot_offset
from udfs.latest import NEWEST_WINS_LUA, order_ms

NOW_MS = from_iso("2026-01-31T12:00:05Z")
# Test runs side by side, of one checkout or several, begin at different blocks of ports.
BLOCKS = [range(first, first + len(Ports.model_fields)) for first in range(20_500, 23_500, 20)]


class RedisServer(NamedTuple):
    """A redis-server that a test may stop and start."""

    config: Settings
    start: Callable[[], None]
    stop: Callable[[], None]
    client: Redis


class Writer:
    """Writes as the rollups job does, through the functions it uses."""

    def __init__(self, client: Redis, tenant: str = "demo") -> None:
        self.client, self.tenant = client, tenant

    def pane(self, device_id: str, metric: str, pane: Pane) -> None:
        key = series_key(self.tenant, device_id, metric, pane.start_ms)
        self.client.setrange(key, slot_offset(pane.start_ms), pack(pane))

    def latest(
        self, device_id: str, event_time_ms: int, metrics: dict[str, float], location: str = ""
    ) -> None:
        fields = [text for metric, value in metrics.items() for text in (metric, repr(value))]
        key = device_key(self.tenant, device_id)
        arrived_ms = event_time_ms + 40
        times = (str(event_time_ms), str(arrived_ms))
        order = str(order_ms(event_time_ms, arrived_ms))
        self.client.eval(NEWEST_WINS_LUA, 1, key, *times, location, order, *fields)
        self.client.zadd(devices_key(self.tenant), {device_id: event_time_ms}, gt=True)
        self.client.sadd("tenants", self.tenant)


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    home = tmp_path_factory.mktemp("api")
    config = Settings(stack="apitest", home=home, port_offset=0, tenant="demo", ports=_ports())
    password = load_secrets(config).redis.get_secret_value()
    client = Redis(port=config.port("redis"), password=password)
    running: list[subprocess.Popen[bytes]] = []

    def start() -> None:
        running.append(_start(config.port("redis"), password, home))
        _wait_for(client)

    def stop() -> None:
        running[-1].kill()
        running.pop().wait()

    start()
    yield RedisServer(config, start, stop, client)
    stop()


def _ports() -> Ports:
    # No other service of the stack listens: what the API says of them must be that they are down.
    start = os.getpid() % len(BLOCKS)
    for block in BLOCKS[start:] + BLOCKS[:start]:
        if all(is_free("127.0.0.1", port) for port in block):
            return Ports.model_validate(dict(zip(Ports.model_fields, block, strict=True)))
    pytest.fail("no block of ports is free")


def _start(port: int, password: str, home: Path) -> subprocess.Popen[bytes]:
    file = home / "redis.conf"
    file.write_text(
        f'bind 127.0.0.1\nport {port}\nsave ""\nappendonly no\ndir {home}\nrequirepass {password}\n'
    )
    file.chmod(0o600)
    return subprocess.Popen(["redis-server", file], stdout=subprocess.DEVNULL)


def _wait_for(client: Redis) -> None:
    for _ in range(100):
        try:
            client.ping()
        except RedisConnectionError:
            time.sleep(0.05)
        else:
            return
    pytest.fail("redis-server did not start")


@pytest.fixture
def writer(redis_server: RedisServer) -> Writer:
    redis_server.client.flushall()
    return Writer(redis_server.client)


@pytest.fixture
def web(redis_server: RedisServer) -> Iterator[TestClient]:
    app = create_app(redis_server.config)
    app.dependency_overrides[current_time_ms] = lambda: NOW_MS
    with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
        yield client


@pytest.fixture(scope="package")
def late_services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """PostgreSQL and Kafka of all plants; each test has devices and rules of its own."""
    with own_services(tmp_path_factory.mktemp("late"), "late", "postgres", "kafka") as config:
        yield config


@pytest.fixture
def plant(late_services: Settings, tmp_path: Path) -> Iterator[LatePlant]:
    found = LatePlant(late_services, tmp_path)
    yield found
    found.close()
