"""Asks `/data` over the world of `history_world`, on services of its own."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient
from redis import Redis

from api.app import create_app
from api.dependencies import current_time_ms
from api.series_answers import ManySeriesAnswer, SeriesAnswer
from catalog.lake import load_lake
from catalog.tables import apply_tables
from millrace.secrets import load_secrets
from tests.integration.conftest import Writer
from tests.integration.history_world import (
    History,
)
from tests.integration.own_services import own_services

POINT = ("time_ms", "count", "min", "max", "sum", "first", "last")


@contextmanager
def history_of(folder: Path) -> Iterator[History]:
    """Start PostgreSQL and Redis, and fill them and the lake."""
    with own_services(folder, "tiers", "postgres", "redis") as config:
        lake = load_lake(config)
        apply_tables(lake)
        password = load_secrets(config).redis.get_secret_value()
        with Redis(port=config.port("redis"), password=password) as client:
            made = History(config, lake, Writer(client))
            yield made
            made.close()


@contextmanager
def asking(world: History, at_ms: int) -> Iterator[TestClient]:
    """Give a client of an API for which it is always the same time."""
    app = create_app(world.config)
    app.dependency_overrides[current_time_ms] = lambda: at_ms
    with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
        yield client


def ask(web: TestClient, path: str = "/data/pump-1", /, **parameters: Any) -> Any:
    reply = web.get(path, params={name.rstrip("_"): value for name, value in parameters.items()})
    assert reply.status_code == 200, reply.text
    (SeriesAnswer if path.startswith("/data/") else ManySeriesAnswer).model_validate(reply.json())
    return reply.json()


def problem(web: TestClient, path: str = "/data/pump-1", /, **parameters: Any) -> tuple[int, str]:
    reply = web.get(path, params={name.rstrip("_"): value for name, value in parameters.items()})
    assert reply.headers["content-type"] == "application/problem+json", reply.text
    return reply.status_code, reply.json()["type"].removeprefix("urn:millrace:problem:")


def rows(points: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [tuple(point[name] for name in POINT) for point in points]


def walk(web: TestClient, path: str = "/data/pump-1", /, **parameters: Any) -> Iterator[Any]:
    page = ask(web, path, **parameters)
    yield page
    while page["next_cursor"]:
        page = ask(web, path, **parameters, cursor=page["next_cursor"])
        yield page
